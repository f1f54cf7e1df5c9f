"""Refuse to resume under another schedule, which would be ignored in silence."""

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from focus_mmdet.errors import InputError

#: What changes in a scheduler while it runs.
_PROGRESS = {'last_step', '_global_step', '_last_value', 'best', 'num_bad_epochs', 'cooldown_counter'}


class SameScheduleHook(Hook):
    """Hold the learning rates of a checkpoint to be resumed against the config's.

    MMEngine takes the checkpoint's: a longer schedule or a lower learning rate
    in the config would have no effect.

    Raises:
        InputError: On resuming, where a scheduler's settings differ, or
            without schedulers the learning rates.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        if not runner._resume:
            return
        before, now = checkpoint.get('param_schedulers') or [], runner.param_schedulers or []
        if not isinstance(before, list) or not isinstance(now, list):
            return
        changes = list(_differences(before, [scheduler.state_dict() for scheduler in now]))
        if not before and not now:
            rates = [_rates(checkpoint['optimizer']), _rates(runner.optim_wrapper.state_dict())]
            changes = [_change('optimizer.lr', *rates)] if rates[0] != rates[1] else []
        if changes:
            raise InputError(
                f'{runner._load_from or runner.work_dir}: cannot be resumed under another schedule '
                f'({"; ".join(dict.fromkeys(changes))}). Set the config and --auto-scale-lr back, or start '
                'anew from its weights: load_from=..., without --resume'
            )


def _differences(before: list[dict], now: list[dict]) -> Iterator[str]:
    if len(before) != len(now):
        yield f'{len(before)} param_schedulers then, {len(now)} now'
    for index, (old, new) in enumerate(zip(before, now, strict=False)):
        for name in sorted({*old, *new} - _PROGRESS):
            values = old.get(name), new.get(name)
            if values[0] != values[1] and not any(map(callable, values)):
                key = 'optimizer.lr' if name == 'base_values' else f'param_scheduler.{index}.{name}'
                yield _change(key, *values)


def _rates(optimizer: dict[str, Any]) -> list[float]:
    return [group['lr'] for group in optimizer['param_groups']]


def _change(key: str, old: Any, new: Any) -> str:
    """One learning rate stands for all parameter groups, where they are equal."""
    old, new = (
        value[0] if isinstance(value, list) and value and value.count(value[0]) == len(value) else value
        for value in (old, new)
    )
    return f'{key}: {old} then, {new} now'
