"""What bad records take along when they are left out: nothing of it may pass for absent."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

#: Stands for the id that a record does not say, so that it may be any.
ANY: Any = object()


class LeftOut:
    """Images that are left out whole, and the videos in which their objects may be.

    Args:
        places: Of the images in ``records``, by id.
        records: Of images, those with a place having a ``video_id``.
    """

    def __init__(self, places: Mapping[Any, int], records: Sequence[dict[str, Any]]) -> None:
        self.images: set[Hashable] = set()
        self._image_places = places
        self._records = records
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
        if instance in self._unlisted or not places <= self._image_places.keys():
            return None
        return frozenset(self._records[self._image_places[image]]['video_id'] for image in places)
