"""What was found, as files: one JSON and one picture an answer."""

import json
import os
from pathlib import Path

from focus_mmdet.cli import check_folder
from focus_mmdet.results.located import Located
from focus_mmdet.results.query_images import save_answer


class Written:
    """Writes answers into a folder as they come.

    Args:
        folder: Gets ``vis/`` and ``preds/``, as MMDetection's ``DetInferencer`` does.
        pictures: Write :attr:`Located.picture`.
        predictions: Write JSON.

    Raises:
        InputError: The folder cannot be written.
    """

    def __init__(self, folder: Path, pictures: bool, predictions: bool) -> None:
        check_folder('out_dir', folder)
        self.folder = folder
        self.pictures = pictures
        self.predictions = predictions
        self._count = 0

    def add(self, located: Located) -> None:
        """Write one answer."""
        # A name may have 255 bytes, and what is put round this one takes some.
        stem = os.fsencode(Path(located.query).stem)[:200].decode(errors='ignore')
        name = f'{self._count:06d}_{stem}' + ('' if located.frame is None else f'_{located.frame:06d}')
        self._count += 1
        if self.pictures and located.picture is not None:
            save_answer(located.picture, self.folder / 'vis' / f'{name}.png')
        if self.predictions:
            file = self.folder / 'preds' / f'{name}.json'
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(_as_json(located), ensure_ascii=False), 'utf-8')


def _as_json(located: Located) -> dict[str, object]:
    """With the keys that ``DetInferencer`` writes, and what else is known."""
    found = located.box is not None
    return {
        'labels': [0] * found,
        'scores': [located.score] * found,
        'bboxes': [list(located.box)] if located.box is not None else [],
        'query': located.query,
        'frame': located.frame,
        'reference': located.reference,
        'size': list(located.size),
        'absent': located.absent,
        'answer': located.answer,
        'instead': located.instead,
    }
