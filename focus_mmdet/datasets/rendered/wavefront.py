"""Wavefront OBJ models with the materials and textures of their MTL file, read by trimesh.

From a folder or from a zip, which is never unpacked: a name that leads out of a zip finds nothing.
Polygons become fans of triangles, which fill notches; of several MTL files the first is read.
"""

import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from focus_mmdet.errors import InputError

try:
    import trimesh
except ImportError:
    trimesh = None

Folder = Path | zipfile.Path

#: Longer side of a texture; a view shows no more.
_TEXTURE_SIDE = 1024


@dataclass(frozen=True)
class Part:
    """The faces of one material.

    Attributes:
        points: (P, 3) float.
        faces: (F, 3) indices of points.
        texture_points: (P, 2) float, their places in the texture from its lower left.
        colour: (3,) diffuse RGB, 0..1.
        specular: (3,) RGB of highlights, 0..1.
        shininess: Exponent of highlights.
        opacity: 0..1.
        texture: (H, W, 4) uint8 RGBA, times the colour.
    """

    points: np.ndarray
    faces: np.ndarray
    texture_points: np.ndarray
    colour: np.ndarray
    specular: np.ndarray
    shininess: float
    opacity: float
    texture: np.ndarray | None


@dataclass(frozen=True)
class Model:
    """An object: one or more parts, and the textures that it names and that cannot be read."""

    parts: list[Part]
    missing: list[str]


def read_model(folder: Folder, name: str) -> Model:
    """The OBJ file ``name`` of a folder or a zip.

    A material that its MTL file lacks is light grey. A surface whose texture is missing has its colour alone.

    Raises:
        InputError: It or its MTL file is missing or cannot be read, or it has no faces.
    """
    content = _content(folder.joinpath(name))
    backwards = re.search(rb'^f\s.*-', content, re.MULTILINE)
    if backwards and b'\nv ' in content[backwards.end() :]:
        # trimesh would count them from the end of the file.
        raise InputError(f'{folder / name}: has negative indices before its last point. Export it without')
    beside = _Beside(folder.joinpath(*PurePosixPath(name).parts[:-1]))
    try:
        scene = trimesh.load_scene(io.BytesIO(content), file_type='obj', resolver=beside, process=False)
        parts = [_part(mesh) for mesh in scene.geometry.values() if isinstance(mesh, trimesh.Trimesh)]
    except Exception as error:  # trimesh raises whatever its parsing stumbles over
        raise InputError(f'{folder / name}: cannot be read ({error}). Replace it') from error
    if beside.error is not None:
        raise beside.error
    if not any(len(part.faces) for part in parts):
        raise InputError(f'{folder / name}: has no faces')
    if not all(part.points.shape[1] == 3 and np.isfinite(part.points).all() for part in parts):
        raise InputError(f'{folder / name}: a point is not three finite numbers')
    return Model(parts, sorted(beside.missing))


def _content(file: Folder) -> bytes:
    try:
        if file.is_file():
            return file.read_bytes()
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f'{file}: cannot be read ({error}). Replace it') from error
    raise InputError(f'{file}: is missing')


class _Beside:
    """Where trimesh looks for an MTL file, by [], and for textures, by get. It goes on without them."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.missing: set[str] = set()
        self.error: InputError | None = None

    def __getitem__(self, name: str) -> bytes:
        try:
            return _content(self.folder.joinpath(name))
        except InputError as error:
            self.error = error
            raise

    def get(self, name: str) -> bytes:
        """Of a path on another computer the last part may lie here."""
        for each in (name, name.replace('\\', '/').rsplit('/', 1)[-1]):
            try:
                content = _content(self.folder.joinpath(each))
                Image.open(io.BytesIO(content)).load()
            except (InputError, OSError, SyntaxError, ValueError):
                continue
            return content
        self.missing.add(name)
        raise FileNotFoundError(name)


def _part(mesh: Any) -> Part:
    material = getattr(mesh.visual, 'material', None)
    told, image, texture = getattr(material, 'kwargs', {}), getattr(material, 'image', None), None
    # trimesh makes up an image, of no format, where a material is missing.
    if image is not None and image.format:
        image = image.convert('RGBA')
        image.thumbnail((_TEXTURE_SIDE, _TEXTURE_SIDE))
        texture = np.asarray(image)
    places = getattr(mesh.visual, 'uv', None)
    opacity = float(told['d'][-1]) if 'd' in told else 1 - float(told.get('tr', [0])[-1])
    return Part(
        points=np.asarray(mesh.vertices, float),
        faces=np.asarray(mesh.faces),
        texture_points=np.zeros((len(mesh.vertices), 2)) if places is None else np.asarray(places, float),
        colour=np.broadcast_to(told.get('kd', 0.8), 3).clip(0, 1),
        specular=np.broadcast_to(told.get('ks', 0.0), 3).clip(0, 1),
        shininess=float(np.clip(told.get('ns', 1), 1, 128)),
        opacity=float(np.clip(opacity, 0, 1)),
        texture=texture,
    )
