"""Save at any iteration, and a model that no single process holds."""

from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from focus_mmdet.engine.unwrap import detector_of


def save_together(runner: Runner) -> None:
    """Let every process hand its shards to the first one whenever that saves, and at no other time.

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
    # Weights are loaded by now. MMEngine would gather them all to send them from the first process once more.
    runner._init_model_weights = lambda: None


def save_now(runner: Runner, iterations: int) -> str:
    """Save a checkpoint after so many finished iterations; says how to go on."""
    saver = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
    if saver is None or saver.by_epoch or iterations == 0:
        return 'Nothing was saved'
    saver._save_checkpoint_with_step(runner, iterations, meta=dict(epoch=runner.epoch, iter=iterations))
    return f'Iteration {iterations} is saved; go on with --resume'
