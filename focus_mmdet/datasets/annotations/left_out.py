"""What bad records take along when they are left out: nothing of it may pass for absent."""

from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import Any

#: Stands for the id that a record does not say, so that it may be any.
ANY: Any = object()


class LeftOut:
    """Images that are left out whole, and the videos in which their objects may be.

    Args:
        images: Records of the images by id, each with ``video_id``.
    """

    def __init__(self, images: Mapping[Any, dict[str, Any]]) -> None:
        self.images: set[Hashable] = set()
        self._images = images
        self._places: dict[Hashable, set[Hashable]] = defaultdict(set)
        self._unlisted: set[Hashable] = set()

    def add(self, instance: Any, image: Any) -> None:
        """Leave an image out for the record of an object in it; each may be ``ANY``."""
        self.images.add(image)
        self._places[instance].add(image)

    def add_unlisted(self, instance: Any) -> None:
        """Take every image for one that may show an object."""
        self._unlisted.add(instance)

    def videos(self, instance: Any) -> frozenset[Any] | None:
        """Videos that may show an object beside those with its boxes; None where any may."""
        places = self._places.get(instance, set()) | self._places.get(ANY, set())
        if instance in self._unlisted or not places <= self._images.keys():
            return None
        return frozenset(self._images[image]['video_id'] for image in places)
