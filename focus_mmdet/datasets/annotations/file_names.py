"""Where the files that an annotation names may lie, and what a missing one may be called instead."""

import os
import unicodedata
from pathlib import Path


def prefix(folder: str) -> str:
    """What the paths of files below a folder begin with."""
    path = str(Path(folder))
    return '' if path == '.' else f'{path.rstrip("/")}/'


def leaves(name: str, folder: str | Path, root: str | Path | None = None) -> bool:
    """Whether a file name is absolute, or leaves its folder by ``..``.

    Links are not followed: what lies below the folder may point anywhere.

    Args:
        name: Relative to ``folder``.
        folder: Of the images.
        root: A folder round it that names may reach into as well, if it is one.
    """
    if Path(name).is_absolute():
        return True
    inside = Path(os.path.abspath(folder))
    around = Path(os.path.abspath(folder if root is None else root))
    limit = around if inside.is_relative_to(around) else inside
    return not Path(os.path.abspath(Path(folder) / name)).is_relative_to(limit)


def form_hint(path: str | Path) -> str:
    """What to add to a message about a missing file: whether it is there under another form of its name."""
    other = None if os.path.exists(path) else _other_form(Path(path))
    if other is None:
        return ''
    return f'. {other} is there, the same name in another Unicode form (NFC, NFD): rename one of them'


def _other_form(path: Path) -> Path | None:
    found = Path(path.anchor)
    for part in path.parts[bool(path.anchor) :]:
        forms = (part, *(unicodedata.normalize(form, part) for form in ('NFC', 'NFD')))
        present = [found / form for form in forms if os.path.exists(found / form)]
        if not present:
            return None
        found = present[0]
    return found if found.is_file() else None
