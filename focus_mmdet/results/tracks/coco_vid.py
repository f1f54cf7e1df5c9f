"""COCO-VID JSON: COCO with videos, as our own ``EpisodeDataset`` reads it too."""

from collections.abc import Sequence
from typing import Any

from focus_mmdet.results.located import Located


class CocoVideo:
    """The annotations of one video, frame by frame.

    Args:
        name: Of the video.
        objects: Names of the objects; each is an instance and a class of its own.
        file_name: With ``{number}``, where each frame's picture is.
    """

    def __init__(self, name: str, objects: Sequence[str], file_name: str = '{number:06d}.jpg') -> None:
        self.file_name = file_name
        named = [{'id': index, 'name': each} for index, each in enumerate(objects, start=1)]
        self.content: dict[str, Any] = {
            'videos': [{'id': 1, 'name': name}],
            'categories': named,
            # Where nothing is said of a frame, the object may be in it.
            'instances': [{**each, 'absence': 'listed'} for each in named],
            'images': [],
            'annotations': [],
        }

    def add(self, number: int, found: Sequence[Located]) -> None:
        """A frame, which lists as ``absent`` the objects that the model said are not there.

        Args:
            number: Of the frame, counted from 0.
            found: One answer an object, in their order.
        """
        images, annotations = self.content['images'], self.content['annotations']
        width, height = found[0].size
        images.append(
            {
                'id': len(images) + 1,
                'video_id': 1,
                'frame_id': number,
                'file_name': self.file_name.format(number=number),
                'width': width,
                'height': height,
                'absent': [track for track, located in enumerate(found, start=1) if located.absent],
            }
        )
        for track, located in enumerate(found, start=1):
            if located.box is not None:
                x1, y1, x2, y2 = located.box
                annotations.append(
                    {
                        'id': len(annotations) + 1,
                        'image_id': len(images),
                        'video_id': 1,
                        'category_id': track,
                        'instance_id': track,
                        'bbox': [x1, y1, x2 - x1, y2 - y1],
                        'area': (x2 - x1) * (y2 - y1),
                        'iscrowd': 0,
                    }
                )
