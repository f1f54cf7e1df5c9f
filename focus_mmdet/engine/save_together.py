"""Save a model that no single process holds."""

from typing import Any

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from focus_mmdet.engine.unwrap import detector_of


def save_together(runner: Runner) -> None:
    """Let every process hand its shards to the first one whenever that saves.

    MMEngine's ``save_checkpoint`` runs in the first process alone, which
    would wait for the others for ever.
    """
    save, detector = runner.save_checkpoint, detector_of(runner.model)
    detector.saved_together = True

    def join(*args: Any, save_optimizer: bool = True, **kwargs: Any) -> None:
        if is_main_process():
            save(*args, save_optimizer=save_optimizer, **kwargs)
            return
        detector.state_dict()
        if save_optimizer:
            runner.optim_wrapper.state_dict()
        runner.call_hook('before_save_checkpoint', checkpoint={})

    runner.save_checkpoint = join
