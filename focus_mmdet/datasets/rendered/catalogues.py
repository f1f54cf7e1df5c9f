"""Where 3D models are found: catalogues of Sweet Home 3D, and folders of OBJ files."""

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from focus_mmdet.datasets.rendered.wavefront import Folder
from focus_mmdet.errors import InputError

#: In a catalogue, names its models with what is known of them.
CATALOGUE = 'PluginFurnitureCatalog.properties'


@dataclass(frozen=True)
class Source:
    """A model and whose it is.

    Attributes:
        name: Of the object; no other of the sources has it.
        folder: A folder or a zip.
        file: The OBJ in it.
        rotation: (3, 3) that turns its points upright; y is up, z towards who sees its front.
        credit: Title, catalogue, creator and licence, as far as the catalogue says.
    """

    name: str
    folder: Folder
    file: str
    rotation: np.ndarray
    credit: str


def find_sources(paths: Sequence[Path]) -> list[Source]:
    """The models of .sh3f catalogues and of folders, but for a catalogue's doors, windows and stairs.

    A folder is read as a catalogue where it is one unpacked. Objects are called ``catalogue-model`` in
    lower case, with a number behind where that is taken.

    Raises:
        InputError: A path is neither, a catalogue is broken, or one has no OBJ models.
    """
    sources: dict[str, Source] = {}
    for path in paths:
        folder = _open(path)
        catalogue = folder.joinpath(CATALOGUE)
        found = _of_catalogue(folder, path) if catalogue.is_file() else _of_folder(folder, path)
        before = len(sources)
        for source in found:
            name, number = source.name, 1
            while name in sources:
                number += 1
                name = f'{source.name}-{number}'
            sources[name] = replace(source, name=name)
        if len(sources) == before:
            raise InputError(f'{path}: no models there (*.obj)')
    return list(sources.values())


def _open(path: Path) -> Folder:
    if path.is_dir():
        return path
    if not path.is_file():
        raise InputError(f'{path}: no such file or folder')
    try:
        archive = zipfile.Path(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f'{path}: no folder, and cannot be read as a zip ({error})') from error
    if not archive.joinpath(CATALOGUE).is_file():
        raise InputError(f'{path}: no catalogue of Sweet Home 3D: {CATALOGUE} is not in it. Unpack it')
    return archive


def _name(path: Path, file: str) -> str:
    catalogue = path.stem if path.is_file() else path.resolve().name
    return re.sub(r'\s+', '_', f'{catalogue}-{PurePosixPath(file).stem}'.lower())


def _of_folder(folder: Folder, path: Path) -> Iterator[Source]:
    for file in sorted(each for each in path.rglob('*') if each.suffix.lower() == '.obj'):
        name = file.relative_to(path).as_posix()
        yield Source(_name(path, name), folder, name, np.eye(3), f'{name} of {path}')


def _of_catalogue(folder: Folder, path: Path) -> Iterator[Source]:
    general, records = _read_properties(folder, path)
    seen = set()
    for record in records:
        file = record.get('model', '').lstrip('/')
        built_in = record.get('doorOrWindow') == 'true' or 'staircaseCutOutShape' in record
        if built_in or file in seen or not file.lower().endswith('.obj'):
            continue
        seen.add(file)
        licence = record.get('license') or general.get('license', 'licence not said')
        credit = (
            f'{record.get("name", file)}, {general.get("name", path.stem)}, '
            f'by {record.get("creator", "unknown")}, {licence}'
        )
        try:
            rotation = np.array(record.get('modelRotation', '1 0 0 0 1 0 0 0 1').split(), float).reshape(3, 3)
        except ValueError as error:
            raise InputError(f'{path}: {file}: modelRotation is not nine numbers') from error
        yield Source(_name(path, file), folder, file, rotation, credit)


def _read_properties(folder: Folder, path: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    """What a catalogue says of itself, and of each of its models (``key#number=value``)."""
    try:
        text = folder.joinpath(CATALOGUE).read_bytes().decode('latin-1')
    except (OSError, RuntimeError, zipfile.BadZipFile) as error:
        raise InputError(f'{path}: {CATALOGUE} cannot be read ({error})') from error
    general: dict[str, str] = {}
    records: dict[int, dict[str, str]] = defaultdict(dict)
    for key, number, value in re.findall(r'^[ \t]*(\w+)(?:#(\d+))?[ \t]*[=:][ \t]*(.*?)\s*$', text, re.M):
        value = re.sub(r'\\u([0-9a-fA-F]{4})', lambda code: chr(int(code[1], 16)), value)
        (records[int(number)] if number else general)[key] = ' '.join(value.split())
    return general, [records[number] for number in sorted(records)]
