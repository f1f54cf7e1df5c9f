"""Refuse to resume under another schedule, which would be ignored in silence."""

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from focus_mmdet.errors import InputError

_SETTINGS = (
    'begin', 'end', 'base_values', 'T_max', 'eta_min', 'eta_max', 'power', 'gamma', 'factor', 'step_size',
    'start_factor', 'end_factor', 'total_steps',
)  # fmt: skip


class SameScheduleHook(Hook):
    """Hold the learning rates of a checkpoint to be resumed against the config's.

    MMEngine takes the checkpoint's: a longer schedule or a lower learning rate
    in the config would have no effect.

    Raises:
        InputError: On resuming, where a scheduler's settings differ.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        before, now = checkpoint.get('param_schedulers'), runner.param_schedulers
        if not runner._resume or not isinstance(before, list) or not isinstance(now, list):
            return
        changes = list(_differences(before, [scheduler.state_dict() for scheduler in now]))
        if changes:
            raise InputError(
                f'{runner._load_from or runner.work_dir}: cannot be resumed under another schedule '
                f'({"; ".join(changes)}). Set the config back, or start anew from its weights: '
                'load_from=..., without --resume'
            )


def _differences(before: list[dict], now: list[dict]) -> Iterator[str]:
    if len(before) != len(now):
        yield f'{len(before)} param_schedulers then, {len(now)} now'
    for index, (old, new) in enumerate(zip(before, now, strict=False)):
        for name in _SETTINGS:
            if old.get(name) != new.get(name):
                key = 'optimizer.lr' if name == 'base_values' else f'param_scheduler.{index}.{name}'
                yield f'{key}: {_short(old.get(name))} then, {_short(new.get(name))} now'


def _short(value: Any) -> Any:
    """One learning rate in place of the list for all parameter groups, where they are equal."""
    return value[0] if isinstance(value, list) and len(set(value)) == 1 else value
