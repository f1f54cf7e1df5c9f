"""Write pictures of test episodes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.engine.hooks import DetVisualizationHook
from mmdet.registry import HOOKS
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


@HOOKS.register_module()
class EpisodeVisualizationHook(DetVisualizationHook):
    """``DetVisualizationHook`` for episodes: same options, whole strips.

    Args:
        draw: Write pictures at all.
        attention: Also measure and draw what the query image attends to.
        max_pictures: Stop after so many.
        **kwargs: As of ``DetVisualizationHook``; ``test_out_dir`` is the
            folder below the run's timestamp folder.
    """

    def __init__(
        self, draw: bool = False, attention: bool = True, max_pictures: int = 100, **kwargs: Any
    ) -> None:
        super().__init__(draw=draw, **kwargs)
        self.test_out_dir: str | None
        self.attention = attention
        self.max_pictures = max_pictures

    def before_test(self, runner: Runner) -> None:
        self._record(runner, self.draw and self.attention)
        if self.test_out_dir is not None and not Path(self.test_out_dir).is_absolute():
            self.test_out_dir = str(Path(runner.work_dir) / runner.timestamp / self.test_out_dir)

    def after_test(self, runner: Runner) -> None:
        self._record(runner, False)

    def _record(self, runner: Runner, on: bool) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.bbox_head.record_attention = on

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
            if self._test_index >= self.max_pictures:
                self._record(runner, False)
                return
            self._test_index += 1
            out_file = None
            if self.test_out_dir is not None:
                out_file = str(Path(self.test_out_dir) / f'episode_{int(sample.img_id):05d}.png')
            self._visualizer.add_episode('test_episode', images, sample, out_file, self._test_index)
