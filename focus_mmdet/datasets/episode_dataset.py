"""Episodes of real images as an ordinary MMDetection dataset."""

import logging
from typing import Any

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS, TASK_UTILS
from mmengine.logging import print_log

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.episode import Episode
from focus_mmdet.datasets.episode_samplers import EpisodeSampler, draw_episodes
from focus_mmdet.datasets.unreadable_images import UnreadableImageError, UnreadableImages
from focus_mmdet.errors import InputError, check_number


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
        **kwargs: As of ``BaseDetDataset``: ``ann_file``, ``data_root``,
            ``data_prefix``, ``pipeline``, ``test_mode``, ...
    """

    METAINFO = {'classes': ('object',), 'palette': [(220, 20, 60)]}

    def __init__(
        self,
        *args: Any,
        episodes: dict[str, Any] | None = None,
        bad_records: str = 'error',
        max_unreadable: float = 0.0,
        allow_outside: bool = False,
        **kwargs: Any,
    ) -> None:
        if bad_records not in ('error', 'drop'):
            raise InputError(f"bad_records={bad_records!r}: give 'error' or 'drop'")
        check_number('max_unreadable', max_unreadable, low=0, high=1)
        if episodes is not None and not (isinstance(episodes, dict) and 'type' in episodes):
            raise InputError(
                f"episodes={episodes!r}: give a sampler, e.g. dict(type='RandomEpisodes', shots=1)"
            )
        self.sampler: EpisodeSampler | None = None if episodes is None else TASK_UTILS.build(episodes)
        self.bad_records = bad_records
        self.max_unreadable = max_unreadable
        self.allow_outside = allow_outside
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read, check and sample; one record per episode.

        Raises:
            InputError: Anything wrong in the file, its images or the settings.
        """
        root = self.data_prefix.get('img') or self.data_root or ''
        file = AnnotationFile(
            self.ann_file, root, self.bad_records == 'drop', self.allow_outside, self.data_root or None
        )
        episodes = self._listed(file) if file.is_manifest else self._sampled(file)
        if file.dropped:
            shown = '\n  '.join(file.dropped[:10])
            print_log(
                f'{self.ann_file}: dropped {len(file.dropped)} bad records, the first:\n  {shown}',
                'current',
                logging.WARNING,
            )
        if not episodes:
            raise InputError(f'{self.ann_file}: no episode can be made of it')
        paths = (frame.path for episode in episodes for frame in (*episode.supports, episode.query))
        self.unreadable = UnreadableImages(paths, self.max_unreadable)
        records = [episode.record(number) for number, episode in enumerate(episodes)]
        # MMDetection's ConcatDataset takes no key more in metainfo.
        if file.unjudged and self._indices is None:
            records[0]['unjudged'] = file.unjudged
        return records

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

    def _listed(self, file: AnnotationFile) -> list[Episode]:
        if self.sampler is not None:
            raise InputError(f'{self.ann_file}: a manifest lists its episodes; set episodes=None')
        return file.episodes()

    def _sampled(self, file: AnnotationFile) -> list[Episode]:
        if self.sampler is None:
            raise InputError(
                f'{self.ann_file}: say how to pick episodes, e.g. '
                "episodes=dict(type='UniformSpanEpisodes', shots=4)"
            )
        return draw_episodes(self.sampler, file)
