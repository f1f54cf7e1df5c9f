"""An object that was shown once, and is looked for again and again."""

import hashlib
import json
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmengine.config import Config
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from focus_mmdet.apis.inputs.images import Support, checked_box, read_rgb
from focus_mmdet.datasets.image_file import decode_image
from focus_mmdet.datasets.queries import split_frame
from focus_mmdet.engine.checkpoints.atomic_backend import AtomicLocalBackend
from focus_mmdet.errors import InputError

#: The key of our JSON in a file's metadata, and the version of what it says.
_KEY, _VERSION = 'focus_reference', 1
#: Of a checkpoint: its zip directory holds a checksum of every weight.
_END = 2**20
_IMAGES = (str, Path, np.ndarray, Image.Image)
#: How a safetensors file of these begins, behind eight bytes.
_BEGINNING = b'{"__metadata__":{"focus_reference":'


@dataclass(frozen=True, eq=False)
class Reference:
    """Support images with a box each, by a name.

    It holds nothing of a model: what a model makes of it (keys and values) is kept by the inferencer
    as long as the reference lives, and made anew where it is recalled.

    Attributes:
        name: Of the object.
        images: (H, W, 3) uint8 RGB each.
        boxes: (x1, y1, x2, y2) in pixels of each.
        model: Fingerprint of the model and the config that it was remembered with.
    """

    name: str
    images: tuple[np.ndarray, ...] = field(repr=False)
    boxes: tuple[tuple[float, ...], ...]
    model: str = ''
    #: The files of the images, where they can be kept as they are.
    _files: tuple[bytes | None, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputError(f'name={self.name!r}: give text')
        # A file's name may hold what is no text, and what is written and served is UTF-8.
        object.__setattr__(self, 'name', self.name.encode(errors='replace').decode())

    @classmethod
    def of(cls, supports: Sequence[Support], name: str | None = None, model: str = '') -> 'Reference':
        """Read and check supports.

        Args:
            supports: At least one image and its box in pixels.
            name: Default: that of the first image's file.
            model: See the attribute.

        Raises:
            InputError: No support, an unreadable image, a bad box, or a name that is no text.
        """
        if (
            not isinstance(supports, Sequence)
            or not supports
            or any(not isinstance(pair, (list, tuple)) or len(pair) != 2 for pair in supports)
        ):
            alone = (
                isinstance(supports, (list, tuple))
                and len(supports) == 2
                and isinstance(supports[0], _IMAGES)
            )
            raise InputError(
                'supports: put the pair of the image and its box in a list: [(image, box)]'
                if alone
                else 'supports: give at least one pair of an image and its box'
            )
        images, boxes, files = [], [], []
        for index, (image, box) in enumerate(supports):
            named = str(image) if isinstance(image, (str, Path)) else f'support {index}'
            if isinstance(image, (str, Path)) and os.path.isdir(image):
                raise InputError(f'{named}: a folder; a support is one picture in it')
            pixels = read_rgb(image, named)
            height, width = pixels.shape[:2]
            # An array may be a buffer that the next frame goes into.
            images.append(pixels.copy() if pixels is image else pixels)
            boxes.append(checked_box(box, width, height, named))
            whole = isinstance(image, (str, Path)) and split_frame(named)[1] is None
            files.append(Path(named).read_bytes() if whole else None)
        first = supports[0][0]
        default = Path(first).stem if isinstance(first, (str, Path)) else 'object'
        return cls(name or default, tuple(images), tuple(boxes), model, tuple(files))

    def save(self, path: str | Path) -> None:
        """Write a ``.focus`` file, whole or not at all.

        It is a safetensors file: the pictures (the files as they are where they are JPEG or PNG, with
        what else these say, such as the place; others as PNG) and JSON in its metadata.

        Raises:
            InputError: ``path`` is a file that is no reference, or its folder does not exist.
            OSError: It cannot be written; what was there before is whole.
        """
        path = Path(path)
        if not path.parent.is_dir():
            raise InputError(f'{path}: there is no folder {path.parent}. Make it, or choose another')
        if path.exists():
            _check_replaceable(path)
        stored = [*self._files, *[None] * (len(self.images) - len(self._files))]
        files = [_encoded(*pair) for pair in zip(self.images, stored, strict=True)]
        tensors = {f'image_{index}': np.frombuffer(file, np.uint8) for index, file in enumerate(files)}
        said = {'version': _VERSION, 'name': self.name, 'boxes': self.boxes, 'model': self.model}
        said['checksum'] = _checksum(said, files)
        AtomicLocalBackend().put(save(tensors, {_KEY: json.dumps(said)}), path)

    @classmethod
    def load(cls, path: str | Path) -> 'Reference':
        """Read a file that :meth:`save` wrote.

        Raises:
            InputError: No such file, it is no reference, or it is damaged.
        """
        said = _described(Path(path))
        names = [f'image_{index}' for index in range(len(said['boxes']))]
        with safe_open(str(path), 'numpy') as file:
            there = set(file.keys())
            files = [file.get_tensor(name).tobytes() if name in there else b'' for name in names]
        if said.get('checksum') not in (None, _checksum(said, files)):
            raise InputError(f'{path}: the reference is damaged. Make it again')
        images = [_decoded(content, f'{path}: {name}') for content, name in zip(files, names, strict=True)]
        boxes = tuple(
            checked_box(box, pixels.shape[1], pixels.shape[0], f'{path}: support {index}')
            for index, (box, pixels) in enumerate(zip(said['boxes'], images, strict=True))
        )
        return cls(said['name'], tuple(images), boxes, said['model'], tuple(files))


#: What is looked for: one or several, or the pairs of images and boxes of one.
References = Reference | Sequence[Reference] | Sequence[Support]


def as_references(
    references: References, remember: Callable[[Sequence[Support]], Reference]
) -> list[Reference]:
    """Several references of one or several, or of supports, which are remembered.

    Raises:
        InputError: There are none, they are paths, or the supports are bad.
    """
    files = [references] if isinstance(references, (str, Path)) else references
    if isinstance(files, Sequence) and files and all(isinstance(each, (str, Path)) for each in files):
        raise InputError(f'references: recall the file first: find.recall({str(files[0])!r})')
    if isinstance(references, Reference):
        return [references]
    if isinstance(references, Sequence) and all(isinstance(each, Reference) for each in references):
        if not references:
            raise InputError('references: give at least one, or at least one pair of an image and its box')
        return list(references)  # type: ignore[arg-type]
    return [remember(references)]  # type: ignore[arg-type]


def named_apart(
    references: Sequence[Reference], remedy: str = 'name them: find.remember(..., name=...)'
) -> list[Reference]:
    """The same; :class:`InputError` for two of one name, by which answers say what they are about."""
    names = Counter(reference.name for reference in references)
    if names.total() > len(names):
        raise InputError(f'several objects are called {names.most_common(1)[0][0]!r}: {remedy}')
    return list(references)


def _described(path: Path) -> dict[str, Any]:
    """What a reference's file says of itself.

    Raises:
        InputError: It is none.
    """
    if not path.is_file():
        raise InputError(f'{path}: no such reference')
    try:
        with safe_open(str(path), 'numpy') as file:
            said = json.loads((file.metadata() or {})[_KEY])
        version, name, boxes, model = (said[key] for key in ('version', 'name', 'boxes', 'model'))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        with open(path, 'rb') as file:
            begins_so = file.read(8 + len(_BEGINNING)).endswith(_BEGINNING)
        is_ours = begins_so and isinstance(error, SafetensorError)
        what = 'the reference is cut or damaged' if is_ours else 'not a reference that Reference.save wrote'
        raise InputError(f'{path}: {what}') from error
    if version != _VERSION:
        raise InputError(f'{path}: a reference of version {version}; this program reads {_VERSION}')
    if not isinstance(boxes, list) or not boxes:
        raise InputError(f'{path}: holds no support. Make the reference again')
    return {**said, 'name': str(name), 'model': str(model)}


def _checksum(said: dict[str, Any], files: Iterable[bytes]) -> int:
    """Of all that a file holds, but this itself: a picture with a wrong byte is a picture still."""
    rest = {key: value for key, value in said.items() if key != 'checksum'}
    return zlib.crc32(b''.join(files), zlib.crc32(json.dumps(rest, sort_keys=True).encode()))


def _check_replaceable(path: Path) -> None:
    """Raise :class:`InputError` for what is no reference, cut ones too: it may be anything."""
    if not path.is_file():
        raise InputError(f'{path}: cannot be written: no ordinary file; choose another')
    try:
        _described(path)
    except InputError as error:
        raise InputError(f'{error}; choose another file to write, or remove this one') from None


def _encoded(pixels: np.ndarray, file: bytes | None) -> bytes:
    """A file that :func:`_decoded` reads as exactly these RGB pixels."""
    file = file or b''
    is_kept = file.startswith((b'\x89PNG', b'\xff\xd8\xff'))
    if is_kept and np.array_equal(_decoded(file, 'support'), pixels):
        return file
    return cv2.imencode('.png', mmcv.rgb2bgr(pixels))[1].tobytes()


def _decoded(file: bytes, name: str) -> np.ndarray:
    """(H, W, 3) RGB pixels, turned as EXIF says."""
    return mmcv.bgr2rgb(decode_image(file, name))


def fingerprint(config: Config, checkpoint: str | None) -> str:
    """What tells models apart whose keys and values, and so answers, differ.

    Of the model's config, its folder, the transforms of its images, and the checkpoint, by their sizes and
    checksums: large files are not read whole.
    """
    said = dict(model=config.model, pipeline=config.inference_pipeline)
    folder = config.model.get('pretrained')
    digest = hashlib.sha256(json.dumps(said, default=str, sort_keys=True).replace(str(folder), '').encode())
    if folder is not None and Path(folder).is_dir():
        for file in sorted(Path(folder).iterdir()):
            digest.update(f'{file.name} {file.stat().st_size}'.encode() if file.is_file() else b'')
    if checkpoint is not None:
        with open(checkpoint, 'rb') as weights:
            size = weights.seek(0, 2)
            weights.seek(max(0, size - _END))
            digest.update(str(size).encode() + weights.read())
    return digest.hexdigest()[:32]
