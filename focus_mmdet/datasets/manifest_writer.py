"""Write an episode manifest: what converters of public episode lists end in."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from focus_mmdet.datasets.drop_counter import DropCounter
from focus_mmdet.errors import InputError


class ManifestWriter(DropCounter):
    """Collects episodes and writes them whole.

    Args:
        path: The file to write. Its folder is created.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)
        self.episodes: list[dict[str, Any]] = []

    def add_episode(self, identifier: str, supports: list[dict[str, Any]], query: dict[str, Any]) -> None:
        """One episode; frames are dicts of file_name, width, height and bbox (x, y, w, h) in pixels."""
        self.episodes.append(dict(id=identifier, supports=supports, query=query))

    def report(self) -> str:
        """What was kept, and what was dropped with its reason and first example."""
        return '\n'.join([f'{self.path}: {len(self.episodes)} episodes', *self.drop_lines()])

    def write(self) -> None:
        """Write the file; the one that was there before stays until the new one is whole.

        Raises:
            InputError: No episode is left, or the file cannot be written.
        """
        if not self.episodes:
            raise InputError(f'{self.report()}\nnothing is left to write')
        aside = self.path.with_name(f'.{self.path.name}.{os.getpid()}.part')
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps(dict(episodes=self.episodes), indent=1) + '\n', encoding='utf-8')
            os.replace(aside, self.path)
        except OSError as error:
            raise InputError(f'{self.path}: cannot be written ({error}). Choose another --out') from error
        finally:
            with contextlib.suppress(OSError):
                aside.unlink()
