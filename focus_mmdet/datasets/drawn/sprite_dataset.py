"""Synthetic episodes: an object among look-alikes in several scenes."""

from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS

from focus_mmdet.datasets.drawn.scenes import PLAIN_COLOURS
from focus_mmdet.datasets.episode import EpisodeNumber
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.shipped import about_missing_data


@DATASETS.register_module()
class SpriteEpisodeDataset(BaseDetDataset):
    """Cut-and-paste episodes, drawn in the data workers by ``RenderSpriteEpisode``.

    A record only says which sprites and which seed; the same record draws the
    same pixels. Train and test use different folders of sprites; layouts and
    backgrounds follow from the sprites, so no two folders share them.

    Args:
        data_root: Folder of RGBA sprites (``*.webp`` or ``*.png``).
        length: Number of episodes.
        shots: Supports per episode; 0 asks for the target without showing it.
        distractors: Other objects in each scene.
        look_alikes: The same drawing in other colours, so many in each scene.
        same_colours: Other drawings in the target's colours.
        target: Which object of the scenes the supports point at. 0 is the one
            the others were made to resemble, then come look-alikes, drawings
            in the same colours and distractors: the same pixels, another
            question. ``'any'`` draws one for each episode, so that nothing
            about an object says whether it is meant.
        size: (width, height) of the scenes in pixels; all objects must fit.
        scale: Range of an object's longer side, relative to the scene.
        negatives: Share of episodes, 0..1, whose query lacks the target.
        plain: Share of episodes, 0..1, that show silhouettes in plain colours:
            one for the target and what has its colours, another for each other
            object. An easy start for a model that cannot yet match.
        seed: Changes every episode.
        **kwargs: As of ``BaseDetDataset``: ``pipeline``, ``test_mode``, ...
    """

    METAINFO = {'classes': ('object',), 'palette': [(220, 20, 60)]}

    def __init__(
        self,
        data_root: str,
        length: int,
        shots: int = 1,
        distractors: int = 1,
        look_alikes: int = 1,
        same_colours: int = 0,
        target: int | str = 0,
        size: tuple[int, int] = (96, 96),
        scale: tuple[float, float] = (0.25, 0.5),
        negatives: float = 0.0,
        plain: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        check_number('length', length, low=1, whole=True)
        check_number('shots', shots, low=0, whole=True)
        check_number('seed', seed, low=0, whole=True)
        for name, count in (('distractors', distractors), ('look_alikes', look_alikes)):
            check_number(name, count, low=0, whole=True)
        check_number('same_colours', same_colours, low=0, whole=True)
        if target != 'any':
            check_number('target', target, low=0, high=look_alikes + same_colours + distractors, whole=True)
        check_number('negatives', negatives, low=0, high=1)
        objects = 1 + look_alikes + same_colours + distractors
        if negatives > 0 and objects == 1:
            raise InputError(f'negatives={negatives}: give every scene a target and another object')
        check_number('plain', plain, low=0, high=1)
        if plain > 0 and objects - same_colours > len(PLAIN_COLOURS):
            raise InputError(
                f'plain={plain} with {objects} objects in a scene: at most {len(PLAIN_COLOURS)} colours'
            )
        self.negatives, self.plain, self.target = negatives, plain, target
        self.length = length
        self.scene = {
            'shots': shots,
            'look_alikes': look_alikes,
            'same_colours': same_colours,
            'objects': objects,
            'size': tuple(size),
            'scale': tuple(scale),
        }
        self.drawings = 1 + same_colours + distractors
        self.objects = objects
        self.seed = seed
        super().__init__(ann_file='', data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """One light record per episode.

        Raises:
            InputError: No or too few sprites in ``data_root``.
        """
        root = Path(self.data_root)
        if not root.is_dir():
            raise InputError(f'data_root {root}: no such folder. {about_missing_data(root)}')
        files = sorted(str(path) for path in root.glob('*') if path.suffix in ('.webp', '.png'))
        if len(files) < self.drawings:
            raise InputError(
                f'data_root {root}: {len(files)} sprites (*.webp, *.png), but a scene needs '
                f'{self.drawings} different ones'
            )
        records = []
        for index in range(self.length):
            rng = np.random.default_rng([self.seed, index])
            chosen = rng.choice(len(files), self.drawings, replace=False)
            sprites = [files[i] for i in chosen]
            records.append(
                {
                    'img_id': EpisodeNumber(index),
                    'sprites': sprites,
                    'scene': self.scene,
                    'shots': self.scene['shots'],
                    'entropy': [self.seed, index, _number(sprites)],
                    'negative': rng.random() < self.negatives,
                    'plain': rng.random() < self.plain,
                    'target': int(rng.integers(self.objects)) if self.target == 'any' else self.target,
                }
            )
        return records


def _number(files: list[str]) -> int:
    """Of sprites, wherever their folder lies."""
    return crc32(' '.join(Path(file).stem for file in files).encode())
