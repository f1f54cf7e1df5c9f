"""Save a model that no single process holds."""

from typing import Any

from mmengine.dist import is_main_process
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


def save_together(runner: Runner) -> None:
    """Let every process hand its shards to the first one whenever that saves.

    MMEngine's ``save_checkpoint`` runs in the first process alone, which
    would wait for the others for ever.
    """
    save = runner.save_checkpoint

    def join(*args: Any, save_optimizer: bool = True, **kwargs: Any) -> None:
        if is_main_process():
            save(*args, save_optimizer=save_optimizer, **kwargs)
            return
        model: Any = runner.model
        (model.module if is_model_wrapper(model) else model).state_dict()
        if save_optimizer:
            runner.optim_wrapper.state_dict()
        runner.call_hook('before_save_checkpoint', checkpoint={})

    runner.save_checkpoint = join
