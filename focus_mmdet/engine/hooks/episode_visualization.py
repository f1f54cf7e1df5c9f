"""Write pictures of test episodes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from focus_mmdet.engine.unwrap import unwrapped


@HOOKS.register_module()
class EpisodeVisualizationHook(Hook):
    """MMDetection's ``DetVisualizationHook`` for episodes: whole strips.

    ``episode_00017.png`` is number 17 of the test's episodes, from 0, as
    ``tools/test.py --out`` writes them too. An ``img_id`` would not do: it is
    unique within one of several test sets only.

    Args:
        draw: Draw at all.
        interval: Validation iterations between two pictures.
        test_out_dir: Folder of the test's pictures, relative to the run's
            timestamp folder; None sends them to the visualization backends.
        attention: Also measure and draw what the query image attends to, where
            the detector has attention.
        max_pictures: Most pictures of a test.
    """

    def __init__(
        self,
        draw: bool = False,
        interval: int = 50,
        test_out_dir: str | None = None,
        attention: bool = True,
        max_pictures: int = 100,
    ) -> None:
        self.draw = draw
        self.interval = interval
        self.test_out_dir = test_out_dir
        self.attention = attention
        self.max_pictures = max_pictures
        self._drawn = self._seen = 0
        self._visualizer: Any = Visualizer.get_current_instance()

    def before_test(self, runner: Runner) -> None:
        self._drawn = self._seen = 0
        self._record(runner, self.draw and self.attention)
        if self.test_out_dir is not None and not Path(self.test_out_dir).is_absolute():
            self.test_out_dir = str(Path(runner.work_dir) / runner.timestamp / self.test_out_dir)

    def after_test(self, runner: Runner) -> None:
        self._record(runner, False)

    def _record(self, runner: Runner, on: bool) -> None:
        detector = unwrapped(runner.model)
        if detector.with_bbox:
            detector.bbox_head.record_attention = on

    def _stop_drawing(self, runner: Runner) -> None:
        runner.logger.info(
            f'drew {self._drawn} episodes; more: --cfg-options default_hooks.visualization.max_pictures=N'
        )
        self.draw = False
        self._record(runner, False)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[Any]
    ) -> None:
        step = runner.iter + batch_idx
        if self.draw and step % self.interval == 0:
            self._visualizer.add_episode('val_episode', data_batch['inputs'][0], outputs[0], step=step)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[Any]
    ) -> None:
        if not self.draw:
            return
        for images, sample in zip(data_batch['inputs'], outputs, strict=True):
            # As MMEngine's DefaultSampler deals them out.
            number = self._seen * get_world_size() + get_rank()
            self._seen += 1
            if number >= len(runner.test_dataloader.dataset):
                return
            if self._drawn == self.max_pictures:
                self._stop_drawing(runner)
                return
            self._drawn += 1
            out_file = None
            if self.test_out_dir is not None:
                out_file = str(Path(self.test_out_dir) / f'episode_{number:05d}.png')
            self._visualizer.add_episode('test_episode', images, sample, out_file, self._drawn)
