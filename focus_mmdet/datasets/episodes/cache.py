"""What a dataset read and drew, kept on disk for its next start and for the other processes of this one."""

import fcntl
import inspect
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

import numpy as np
import torch
from mmengine.logging import print_log
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from focus_mmdet.datasets.episodes.columns import EpisodeColumns
from focus_mmdet.datasets.episodes.samplers import EpisodeSampler
from focus_mmdet.datasets.image_file import image_size
from focus_mmdet.errors import InputError

#: Of the file: its columns, and the facts beside them.
_FORMAT = 1
#: Seconds between two looks at what another process reads.
_PAUSE = 0.2
#: Where all code that reads and draws lies.
_CODE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Facts:
    """What is known of an annotation file beside its episodes.

    Attributes:
        digest: Of its bytes, by :func:`content_digest`.
        dropped: How many bad records were left out.
        first_dropped: What is wrong with the first of them.
        unjudged: Of a manifest, ``AnnotationFile.unjudged``.
        faulty: (path, width, height) of the images that are not what their records say.
    """

    digest: str
    dropped: int = 0
    first_dropped: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)
    faulty: list[tuple[str, int, int]] = field(default_factory=list)


Reading = tuple[EpisodeColumns, Facts]


def content_digest(path: str) -> str:
    """Of a file's bytes.

    Raises:
        OSError: It cannot be read.
    """
    with open(path, 'rb') as file:
        return file_digest(file, blake2b).hexdigest()


def maker(sampler: EpisodeSampler | None) -> tuple[dict[str, Any], str] | None:
    """A sampler's settings, and a digest of the code that draws by it; None where these cannot be said.

    Args:
        sampler: None for a manifest, which needs none.
    """
    settings = {} if sampler is None else vars(sampler)
    kinds = [kind for kind in type(sampler).__mro__ if kind.__module__ not in ('abc', 'builtins')]
    sources = set(_CODE.rglob('*.py'))
    try:
        sources |= {Path(inspect.getfile(kind)) for kind in kinds}
        code = blake2b(b''.join(path.read_bytes() for path in sorted(sources))).hexdigest()
        name = '' if sampler is None else f'{type(sampler).__module__}.{type(sampler).__qualname__}'
        return json.loads(json.dumps({'type': name, 'settings': settings})), code
    except (OSError, TypeError, ValueError):
        return None


class EpisodeCache:
    """The file that keeps one dataset's episodes.

    It serves as long as the annotation file has the same bytes, everything else that
    episodes depend on is the same, and every image that was faulty still is. Another
    file in its place is replaced. It appears whole; of several processes that look for
    it one makes it, and the others wait.

    Args:
        folder: Where to keep it.
        ann_file: The annotation file.
        settings: JSON; each choice of them has a file of its own.
        code: What makes episodes by them; the latest alone has a file.
    """

    def __init__(self, folder: Path, ann_file: str, settings: Any, code: str) -> None:
        self.ann_file = ann_file
        text = json.dumps([os.path.abspath(ann_file), settings], sort_keys=True)
        name = f'{Path(ann_file).name}.{blake2b(text.encode(), digest_size=8).hexdigest()}'
        self.path = folder / f'{name}.safetensors'
        self._key = json.dumps([_FORMAT, text, code, np.__version__])

    def reading(self, read: Callable[[], Reading]) -> Reading:
        """What is kept, else what ``read`` gives, which is then kept."""
        try:
            digest = content_digest(self.ann_file)
        except OSError:
            return read()
        waited = False
        while (kept := self._load(digest)) is None:
            try:
                lock = self._lock()
            except OSError as error:
                self._warn(error)
                return read()
            if lock is not None:
                with lock:
                    kept = self._load(digest)
                    if kept is None and not waited:
                        kept = self._keep(read())
                # The process that was waited for has failed; nobody waits for the next one.
                return kept or self._keep(read())
            if not waited:
                print_log(f'{self.ann_file}: waiting for another process that reads it', 'current')
                waited = True
            time.sleep(_PAUSE)
        return kept

    def _lock(self) -> TextIO | None:
        """A file whose closing gives up the lock; None where another process has it.

        Raises:
            OSError: The folder cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = open(self.path.with_suffix('.lock'), 'w')  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        except OSError:
            pass  # This file system knows no locks, so that several processes may do the same.
        return file

    def _load(self, digest: str) -> Reading | None:
        """What was kept of an annotation file with this digest."""
        try:
            with safe_open(self.path, 'pt') as file:
                said = file.metadata() or {}
                facts = Facts(**json.loads(said['facts']))
                if said['key'] != self._key or facts.digest != digest:
                    return None
                arrays = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118
            sound = said['content'] == _digest(arrays, said['facts']) and all(
                map(_still_faulty, facts.faulty)
            )
            return (EpisodeColumns(**arrays), facts) if sound else None
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None

    def _keep(self, reading: Reading) -> Reading:
        """Write what was read, and give it as the next start will find it."""
        columns, facts = reading
        arrays, text = columns.arrays(), json.dumps(asdict(facts))
        said = {'key': self._key, 'facts': text, 'content': _digest(arrays, text)}
        part = self.path.with_name(f'.{self.path.name}.{uuid4().hex}.part')
        try:
            tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
            save_file(tensors, part, said)
            os.replace(part, self.path)
        except (OSError, SafetensorError) as error:
            self._warn(error)
        finally:
            part.unlink(missing_ok=True)
        return self._load(facts.digest) or reading

    def _warn(self, error: Exception) -> None:
        print_log(
            f'{self.path}: cannot be written ({error}), so every start reads {self.ann_file} anew. Name '
            'another folder by cache=... of the dataset, or turn this off by cache=False',
            'current',
            logging.WARNING,
        )


def _digest(arrays: Mapping[str, np.ndarray], facts: str) -> str:
    """Of everything in the file but its key: a disk that was full or lost power leaves zeros."""
    content = blake2b(facts.encode())
    for name in sorted(arrays):
        content.update(f'{name} {arrays[name].dtype} {arrays[name].shape}'.encode())
        content.update(arrays[name].data)
    return content.hexdigest()


def _still_faulty(image: tuple[str, int, int]) -> bool:
    path, width, height = image
    try:
        return image_size(path) != (width, height)
    except InputError:
        return True
