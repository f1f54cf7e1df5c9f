"""Files that are whole or not there: written aside, then renamed."""

import os
from pathlib import Path

from mmengine.fileio import register_backend
from mmengine.fileio.backends import LocalBackend


class AtomicLocalBackend(LocalBackend):
    """MMEngine's local files, except that a kill or a full disk while one is
    written leaves the one before it untouched."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj``; ``filepath`` changes at once or not at all.

        Raises:
            OSError: It names the file.
        """
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        # One name: what a killed run left there is written over by the run that goes on.
        aside = path.with_name(f'.{path.name}.part')
        try:
            with open(aside, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(path)) from error


def register_atomic_files() -> None:
    """Make MMEngine write checkpoints through :class:`AtomicLocalBackend`."""
    register_backend('local', AtomicLocalBackend, force=True, prefixes='')
