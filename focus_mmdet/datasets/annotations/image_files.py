"""The image files that records name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from focus_mmdet.datasets.annotations.file_names import form_hint, leaves, prefix
from focus_mmdet.datasets.image_file import image_size
from focus_mmdet.errors import InputError


class ImageFiles:
    """Where images may lie, and whether they are what their records say.

    Args:
        root: Folder of the images' ``file_name``.
        data_root: A folder round ``root`` that ``file_name`` may reach into as well.
        allow_outside: Take a ``file_name`` that is absolute or leaves its folder.

    Attributes:
        faulty: (path, width, height) of the files that were found not to be images of that size.
    """

    def __init__(self, root: str, data_root: str | None = None, allow_outside: bool = False) -> None:
        self.root = root
        self.data_root = data_root
        self.allow_outside = allow_outside
        self.faulty: list[tuple[str, int, int]] = []
        self._prefix = prefix(root)
        self._sizes: dict[str, tuple[int, int]] = {}

    def path(self, name: str) -> str:
        """Of the file that a record names, as :class:`~pathlib.Path` joins it."""
        if name[:1] == '/' or name[-1:] in './' or './' in name or '//' in name:
            return str(Path(self.root) / name)
        return self._prefix + name

    def may_all_be(self, names: Sequence[str]) -> bool:
        """Whether files of all these names may be used."""
        # Only these names can lead out of a folder.
        leading = () if self.allow_outside else [name for name in names if '..' in name or name[:1] == '/']
        return not any(leaves(name, self.root, self.data_root) for name in leading)

    def check_name(self, name: Any, where: str) -> None:
        """Raise :class:`InputError` for what is no name, or one of a file that may not be used."""
        if not isinstance(name, str) or not name:
            raise InputError(f'{where}: file_name must be the name of a file, not {name!r}')
        if not self.may_all_be([name]):
            raise InputError(
                f'{where}: file_name {name!r} leaves the data root. Give it relative to '
                f'{self.root or "."} and below it, or set allow_outside=True of the dataset'
            )

    def fault(self, name: str, width: int, height: int) -> str | None:
        """Why a file is no image of its record's size, by its header, which is read once; None if it is."""
        path = self.path(name)
        try:
            if name not in self._sizes:
                self._sizes[name] = image_size(path)
        except InputError as error:
            self.faulty.append((path, width, height))
            return f'{error}{form_hint(path)}'
        real = self._sizes[name]
        if real == (width, height):
            return None
        self.faulty.append((path, width, height))
        return (
            f'{path}: the image is {real[0]} x {real[1]}, but its record says {width} x {height}. '
            'Correct the record (photographs count as their EXIF tag turns them)'
        )
