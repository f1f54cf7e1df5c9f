"""Episodes of real images as an ordinary MMDetection dataset."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS, TASK_UTILS
from mmengine.dataset import force_full_init
from mmengine.logging import print_log

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.annotations.file_names import prefix
from focus_mmdet.datasets.episodes.cache import EpisodeCache, Facts, Reading, maker
from focus_mmdet.datasets.episodes.columns import EpisodeColumns
from focus_mmdet.datasets.episodes.drawing import draw_columns
from focus_mmdet.datasets.episodes.passing_objects import passing_objects
from focus_mmdet.datasets.episodes.samplers import EpisodeSampler
from focus_mmdet.datasets.episodes.table import EpisodeTable
from focus_mmdet.datasets.unreadable_images import UnreadableImageError, UnreadableImages
from focus_mmdet.errors import InputError, check_number

#: Bytes of an annotation file that is slow to read.
WORTH_KEEPING = 2**20


@DATASETS.register_module()
class EpisodeDataset(BaseDetDataset):
    """Support images with one box each and a query image, per record.

    ``ann_file`` is COCO JSON whose annotations carry ``instance_id`` and whose
    images carry ``video_id`` and ``frame_id``, or an episode manifest. A
    record is the query as MMDetection's image record with ``supports`` beside
    it; its ``img_id`` is unique to the episode. A manifest's ``info.unjudged``,
    if any, comes with the first record, unless ``indices`` make a choice.

    Args:
        episodes: Config of an episode sampler for COCO JSON; None for a
            manifest, which lists its episodes.
        bad_records: ``'error'`` stops at the first bad record, ``'drop'``
            leaves bad records out, with the whole images that they are of, and
            logs how many and why.
        max_unreadable: Share of the images, 0..1, that may prove unreadable
            in training; the next episode takes the place of one with such an
            image. With more, and always in ``test_mode``, an unreadable image
            is an error.
        allow_outside: Take images whose ``file_name`` is absolute or leaves
            ``data_root``.
        cache: Keep the episodes for the next start: True in ``.focus_mmdet`` beside an annotation
            file of a megabyte or more, a string in that folder, whatever the file's size.
        **kwargs: As of ``BaseDetDataset``: ``ann_file``, ``data_root``,
            ``data_prefix=dict(img=...)``, ``pipeline``, ``test_mode``, ...

    Raises:
        InputError: A setting is wrong, or one of ``BaseDetDataset`` that would do nothing here.
    """

    METAINFO = {'classes': ('object',), 'palette': [(220, 20, 60)]}

    def __init__(
        self,
        *args: Any,
        episodes: dict[str, Any] | None = None,
        bad_records: str = 'error',
        max_unreadable: float = 0.0,
        allow_outside: bool = False,
        cache: bool | str = True,
        **kwargs: Any,
    ) -> None:
        if bad_records not in ('error', 'drop'):
            raise InputError(f"bad_records={bad_records!r}: give 'error' or 'drop'")
        if not isinstance(cache, (bool, str)) or cache == '':
            raise InputError(f'cache={cache!r}: give True, False or a folder')
        check_number('max_unreadable', max_unreadable, low=0, high=1)
        if episodes is not None and not (isinstance(episodes, dict) and 'type' in episodes):
            raise InputError(
                f"episodes={episodes!r}: give a sampler, e.g. dict(type='RandomEpisodes', shots=1)"
            )
        _check_stock_options(kwargs)
        self.sampler: EpisodeSampler | None = None if episodes is None else TASK_UTILS.build(episodes)
        self.bad_records = bad_records
        self.max_unreadable = max_unreadable
        self.allow_outside = allow_outside
        self.cache = cache
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> EpisodeTable:
        """Read, check and sample, or take what an earlier start made; one record per episode.

        Raises:
            InputError: Anything wrong in the file, its images or the settings.
        """
        self.serialize_data = False
        cache = self._cache()
        columns, facts = self._read() if cache is None else cache.reading(self._read)
        if facts.dropped:
            shown = '\n  '.join(facts.first_dropped)
            print_log(
                f'{self.ann_file}: dropped {facts.dropped} bad records, the first:\n  {shown}',
                'current',
                logging.WARNING,
            )
        # MMDetection's ConcatDataset takes no key more in metainfo.
        self._unjudged = facts.unjudged if self._indices is None else []
        table = EpisodeTable(columns, prefix(self._root))
        self.unreadable = UnreadableImages(table.paths, self.max_unreadable)
        return table

    @force_full_init
    def get_data_info(self, idx: int) -> dict[str, Any]:
        """The record of an episode, made anew."""
        record: dict[str, Any] = self.data_list[idx]
        if self._unjudged and record['img_id'] == 0:
            record['unjudged'] = self._unjudged
        record['sample_idx'] = idx if idx >= 0 else len(self) + idx
        return record

    def _get_unserialized_subset(self, indices: int | Sequence[int]) -> EpisodeTable:
        """What MMEngine's ``get_subset`` and ``indices`` take: the first or last so many, or some.

        Raises:
            InputError: They are something else, or leave no episode.
        """
        try:
            if not isinstance(indices, int):
                return self.data_list.subset(indices)
            if indices:
                return self.data_list[:indices] if indices > 0 else self.data_list[indices:]
        except (IndexError, TypeError):
            pass
        largest = len(self.data_list) - 1
        raise InputError(
            f'indices={indices!r}: give a number of episodes, or a list of places in 0..{largest}'
        )

    def prepare_data(self, idx: int) -> Any:
        """The episode through the pipeline, or None where another one is to be taken.

        Raises:
            InputError: An image cannot be read, and ``max_unreadable`` does not allow it.
        """
        try:
            return super().prepare_data(idx)
        except UnreadableImageError as error:
            if self.test_mode or not self.max_unreadable:
                raise
            self.unreadable.add(error)
            self._next = (idx + 1) % len(self)
            return None

    def _rand_another(self) -> int:
        """Which one: not a random one, so that a resumed run takes the same."""
        return self._next

    @property
    def _root(self) -> str:
        return self.data_prefix.get('img') or self.data_root or ''

    def _cache(self) -> EpisodeCache | None:
        """Where the episodes are kept, if they are."""
        path, made_by = Path(self.ann_file), maker(self.sampler)
        small = self.cache is True and path.is_file() and path.stat().st_size < WORTH_KEEPING
        if self.cache is False or small or made_by is None:
            return None
        settings, code = made_by
        roots = [self._root, os.path.abspath(self._root), os.path.abspath(self.data_root or self._root)]
        choices = [settings, self.bad_records, self.allow_outside, *roots]
        folder = path.parent / '.focus_mmdet' if self.cache is True else Path(self.cache)
        return EpisodeCache(folder, self.ann_file, choices, code)

    def _read(self) -> Reading:
        with passing_objects():
            columns, facts = self._columns()
        if not len(columns.member_ends):
            raise InputError(f'{self.ann_file}: no episode can be made of it')
        return columns, facts

    def _columns(self) -> Reading:
        drop = self.bad_records == 'drop'
        file = AnnotationFile(self.ann_file, self._root, drop, self.allow_outside, self.data_root or None)
        columns = self._listed(file) if file.is_manifest else self._sampled(file)
        faulty = list(dict.fromkeys(file.files.faulty))
        return columns, Facts(file.digest, len(file.dropped), file.dropped[:3], file.unjudged, faulty)

    def _listed(self, file: AnnotationFile) -> EpisodeColumns:
        if self.sampler is not None:
            raise InputError(f'{self.ann_file}: a manifest lists its episodes; set episodes=None')
        return EpisodeColumns.of_episodes(file.episodes(), prefix(self._root))

    def _sampled(self, file: AnnotationFile) -> EpisodeColumns:
        if self.sampler is None:
            raise InputError(
                f'{self.ann_file}: say how to pick episodes, e.g. '
                "episodes=dict(type='UniformSpanEpisodes', shots=4)"
            )
        return draw_columns(self.sampler, file, prefix(self._root))


def _check_stock_options(options: dict[str, Any]) -> None:
    """Refuse what ``BaseDetDataset`` takes, and episodes do not heed."""
    if not isinstance(options.get('ann_file', ''), str):
        raise InputError(
            f'ann_file={options["ann_file"]!r}: give the path of COCO JSON with instance_id, or of a manifest'
        )
    if options.get('filter_cfg'):
        raise InputError(
            f'filter_cfg={options["filter_cfg"]}: episodes are not filtered; leave it out. See bad_records'
        )
    prefixes = options.get('data_prefix') or {}
    if other := [name for name in prefixes if name != 'img' and prefixes[name]]:
        raise InputError(f'data_prefix: {", ".join(other)} is not read; the folder of the images is img')
    classes = (options.get('metainfo') or {}).get('classes')
    if classes is not None and (isinstance(classes, str) or len(classes) != 1):
        raise InputError(
            f'metainfo.classes={classes!r}: episodes have one class, the object of their supports. Leave it '
            "out, or give one name for all: ('object',)"
        )
