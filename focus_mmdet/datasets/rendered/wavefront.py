"""Wavefront OBJ models: surfaces, and the materials and textures of their MTL files.

Read from a folder or from a zip, which is never unpacked: a name that leads out of a zip finds nothing.
Normals are not read, nor lines, curves and any map but that of the diffuse colour.
"""

import zipfile
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from focus_mmdet.errors import InputError

Folder = Path | zipfile.Path

#: Longer side of a texture; a view shows no more.
_TEXTURE_SIDE = 1024


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    Attributes:
        colour: Diffuse RGB, 0..1.
        specular: RGB of highlights, 0..1.
        shininess: Exponent of highlights.
        opacity: 0..1.
        texture: (H, W, 3 or 4) uint8 BGR or BGRA, times the colour.
    """

    colour: tuple[float, ...] = (0.8, 0.8, 0.8)
    specular: tuple[float, ...] = (0.0, 0.0, 0.0)
    shininess: float = 1.0
    opacity: float = 1.0
    texture: np.ndarray | None = None


@dataclass(frozen=True)
class Part:
    """The faces of one material.

    Attributes:
        material: Of all of them.
        points: (P, 3) float.
        corners: (C,) indices of points, face after face.
        texture_points: (C, 2) float, the place in the texture of each corner, from its lower left.
        sizes: (F,) corners of each face, 3 or more.
    """

    material: Material
    points: np.ndarray
    corners: np.ndarray
    texture_points: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class Model:
    """An object.

    Attributes:
        parts: One or more.
        missing: Textures and materials that it names and that are not there.
    """

    parts: list[Part]
    missing: list[str]


@dataclass
class _Faces:
    corners: list[int] = field(default_factory=list)
    texture_points: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


@dataclass
class _Contents:
    """What the lines of an OBJ file have told so far; faces by the name of their material."""

    points: list[tuple[float, float, float]] = field(default_factory=list)
    texture_points: list[tuple[float, float]] = field(default_factory=list)
    faces: dict[str, _Faces] = field(default_factory=lambda: defaultdict(_Faces))
    libraries: list[str] = field(default_factory=list)
    material: str = ''

    def read(self, line: str) -> None:
        """Raises ValueError where it is not as it should be."""
        key, _, rest = line.partition(' ')
        words = rest.split()
        if key == 'v':
            x, y, z = map(float, words[:3])
            self.points.append((x, y, z))
        elif key == 'vt':
            u, v = map(float, [*words, '0'][:2])
            self.texture_points.append((u, v))
        elif key == 'f' and len(words) >= 3:
            self._read_face(words)
        elif key == 'usemtl':
            self.material = rest.strip()
        elif key == 'mtllib':
            self.libraries.append(rest.strip())

    def _read_face(self, words: Sequence[str]) -> None:
        """Corners are like 3, 3/7 or 3/7/2: point, place in the texture, normal."""
        faces = self.faces[self.material]
        for word in words:
            point, texture_point, *_ = [*word.split('/'), '']
            faces.corners.append(_index(point, len(self.points)))
            faces.texture_points.append(
                _index(texture_point, len(self.texture_points)) if texture_point else -1
            )
        faces.sizes.append(len(words))


def _index(word: str, total: int) -> int:
    """From 0, of a number that counts from 1, or from -1 backwards."""
    number = int(word)
    return number + total if number < 0 else number - 1


def read_model(folder: Folder, name: str) -> Model:
    """The OBJ file ``name`` of a folder or a zip.

    A material that its MTL file lacks is light grey. A surface whose texture is missing has its colour alone.

    Raises:
        InputError: It or its MTL file is missing or cannot be read, or it has no faces.
    """
    contents = _Contents()
    for number, line in enumerate(_lines(folder, name), start=1):
        try:
            contents.read(line)
        except ValueError as error:
            raise InputError(f'{folder / name}, line {number}: cannot be read: {line[:80]!r}') from error
    if not contents.faces:
        raise InputError(f'{folder / name}: has no faces')
    parent = PurePosixPath(name).parent
    beside = folder.joinpath(str(parent)) if parent.name else folder
    materials, missing = _read_materials(beside, contents.libraries)
    missing += [f'material {used}' for used in contents.faces if used and used not in materials]
    try:
        parts = [
            _part(materials.get(used, Material()), faces, contents) for used, faces in contents.faces.items()
        ]
    except ValueError as error:
        raise InputError(f'{folder / name}: {error}') from error
    return Model(parts, sorted(missing))


def _part(material: Material, faces: _Faces, contents: _Contents) -> Part:
    points = np.array(contents.points).reshape(-1, 3)
    # The last row is for corners without.
    texture_points = np.array([*contents.texture_points, (0.0, 0.0)])
    used, corners = np.unique(faces.corners, return_inverse=True)
    places = np.array(faces.texture_points)
    if used[0] < 0 or used[-1] >= len(points):
        raise ValueError('a face names a point that is not there')
    if not -1 <= places.min() <= places.max() < len(contents.texture_points):
        raise ValueError('a face names a place in the texture that is not there')
    if not (np.isfinite(points[used]).all() and np.isfinite(texture_points[places]).all()):
        raise ValueError('a point is not finite')
    return Part(material, points[used], corners, texture_points[places], np.array(faces.sizes))


def _content(folder: Folder, name: str) -> bytes:
    file = folder.joinpath(name)
    try:
        if file.is_file():
            return file.read_bytes()
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f'{file}: cannot be read ({error}). Replace it') from error
    raise InputError(f'{file}: is missing')


def _lines(folder: Folder, name: str) -> list[str]:
    """Lines of any encoding: only names are not ASCII, and they are compared with one another."""
    text = _content(folder, name).decode('latin-1').replace('\r\n', '\n').replace('\\\n', ' ')
    return [line.strip().replace('\t', ' ') for line in text.split('\n')]


def _read_materials(folder: Folder, libraries: Sequence[str]) -> tuple[dict[str, Material], list[str]]:
    """Materials by name, and the textures that are missing."""
    materials: dict[str, Material] = {}
    textures: dict[str, np.ndarray | None] = {}
    for library in libraries:
        name = ''
        for number, line in enumerate(_lines(folder, library), start=1):
            key, _, rest = line.partition(' ')
            if key == 'newmtl':
                name = rest.strip()
                materials[name] = Material()
            elif key == 'map_Kd' and name in materials:
                if rest not in textures:
                    textures[rest] = _read_texture(folder, rest.strip())
                materials[name] = replace(materials[name], texture=textures[rest])
            elif name in materials:
                try:
                    materials[name] = replace(materials[name], **_property(key, rest.split()))
                except (ValueError, IndexError) as error:
                    place = f'{folder / library}, line {number}'
                    raise InputError(f'{place}: cannot be read: {line[:80]!r}') from error
    return materials, [f'texture {name}' for name, texture in textures.items() if texture is None]


def _property(key: str, words: Sequence[str]) -> dict:
    """What a line of an MTL file sets, bounded to what makes sense."""
    if key in ('Kd', 'Ks'):
        red, green, blue = np.clip([float(word) for word in words[:3]], 0, 1).tolist()
        return {'colour' if key == 'Kd' else 'specular': (red, green, blue)}
    if key == 'Ns':
        return {'shininess': float(np.clip(float(words[0]), 1, 128))}
    if key in ('d', 'Tr'):
        value = float(np.clip(float(words[-1]), 0, 1))
        return {'opacity': value if key == 'd' else 1 - value}
    return {}


def _read_texture(folder: Folder, name: str) -> np.ndarray | None:
    """(H, W, 3 or 4) uint8 BGR or BGRA; None where there is none that can be read.

    Of a path on another computer the last part may lie here.
    """
    candidates = (folder.joinpath(each) for each in (name, name.replace('\\', '/').rsplit('/', 1)[-1]))
    try:
        file = next((each for each in candidates if each.is_file()), None)
        content = b'' if file is None else file.read_bytes()
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if content else None
    except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error, cv2.error):
        pixels = None
    if pixels is None:
        return None
    if pixels.dtype != np.uint8:
        pixels = (pixels / 257).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    zoom = _TEXTURE_SIDE / max(pixels.shape)
    return cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA) if zoom < 1 else pixels
