"""Labels as YOLO takes them for training."""

import json
from pathlib import Path

from focus_mmdet.datasets.conversion.output_file import whole_file
from focus_mmdet.results.linked_folder import LinkedFolder
from focus_mmdet.results.located import Located
from focus_mmdet.results.result_writer import printable


class YoloResults(LinkedFolder):
    """``labels/*.txt`` of lines ``class x y width height``, centre and size as shares of the image's.

    Beside it ``images/`` of links, ``classes.txt`` with the name of one reference a line, and the
    ``data.yaml`` that Ultralytics trains from. An image without a box has an empty file. Scores have
    no place in such labels.
    """

    links, labels = 'images', 'labels'
    _classes: dict[str, int]

    def __enter__(self) -> 'YoloResults':
        self._classes = {}
        super().__enter__()
        self._write_classes()
        return self

    def write(self, located: Located) -> None:
        if located.reference not in self._classes:
            self._classes[located.reference] = len(self._classes)
            self._write_classes()
        super().write(located)

    def write_labels(self, stem: Path, link: str, size: tuple[int, int], found: list[Located]) -> None:
        width, height = size
        with whole_file(stem.with_name(f'{stem.name}.txt')) as file:
            for located in found:
                assert located.box is not None
                x1, y1, x2, y2 = located.box
                shares = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
                numbers = ' '.join(f'{share:.6f}' for share in shares)
                file.write(f'{self._classes[located.reference]} {numbers}\n')

    def _write_classes(self) -> None:
        names = [' '.join(printable(name).split()) for name in self._classes]
        with whole_file(self.path / 'classes.txt') as file:
            file.writelines(f'{name}\n' for name in names)
        with whole_file(self.path / 'data.yaml') as file:
            lines = [f'  {number}: {json.dumps(name)}\n' for number, name in enumerate(names)]
            file.write(f'train: images\nval: images\nnames:{"" if lines else " {}"}\n{"".join(lines)}')
