"""Refuse to resume under another schedule or optimizer, which would be ignored in silence."""

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from focus_mmdet.errors import InputError

#: What changes in a scheduler while it runs.
_PROGRESS = {'last_step', '_global_step', '_last_value', 'best', 'num_bad_epochs', 'cooldown_counter'}

#: Of an optimizer's group, how it computes and not what.
_HOW = {'foreach', 'fused', 'capturable', 'differentiable'}
#: What schedules of learning rates are about.
_SCHEDULED = {'lr', 'initial_lr'}
#: What a schedule of momentum changes.
_TIED = {'momentum', 'betas'}


class SameScheduleHook(Hook):
    """Hold the schedule and the optimizer of a checkpoint to be resumed against the config's.

    MMEngine takes the checkpoint's: a longer schedule, a lower learning rate or another weight decay
    in the config would have no effect.

    Raises:
        InputError: On resuming, where settings of a scheduler or of the optimizer differ, without schedulers
            also the learning rates; or the checkpoint holds weights alone.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        if not runner._resume:
            return
        name = runner._load_from or runner.work_dir
        if not checkpoint.keys() >= {'meta', 'optimizer'}:
            raise InputError(
                f'{name}: holds weights, and nothing of the run that made them. Start from these: '
                'load_from=..., without --resume'
            )
        before, now = checkpoint.get('param_schedulers') or [], runner.param_schedulers or []
        if not isinstance(before, list) or not isinstance(now, list):
            return
        states = checkpoint['optimizer'], runner.optim_wrapper.state_dict()
        old, new = (state.get('param_groups', []) for state in states)
        scheduled = {scheduler.param_name for scheduler in now}
        changes = list(_optimizer_changes(old, new, _TIED if scheduled - {'lr'} else set()))
        if not changes:
            changes += _differences(before, [scheduler.state_dict() for scheduler in now])
        if not changes and not before and not now:
            rates = [[group['lr'] for group in each] for each in (old, new)]
            changes += [_change('optimizer.lr', *rates)] if rates[0] != rates[1] else []
        if changes:
            raise InputError(
                f'{name}: cannot be resumed under another schedule or optimizer '
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


def _optimizer_changes(before: list[dict], now: list[dict], ignored: set[str]) -> Iterator[str]:
    if len(before) != len(now):
        yield f'an optimizer of {len(before)} parameter groups then, {len(now)} now'
        return
    for old, new in zip(before, now, strict=True):
        apart = ({*old} ^ {*new}) - _HOW - _SCHEDULED
        if apart:
            yield f'another optimizer: {", ".join(sorted(apart))} is not of both'
            return
        for name in sorted({*old} - {'params'} - _HOW - _SCHEDULED - ignored):
            if _plain(old[name]) != _plain(new[name]):
                yield _change(f'optimizer.{name}', old[name], new[name])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _change(key: str, old: Any, new: Any) -> str:
    """One learning rate stands for all parameter groups, where they are equal."""
    old, new = (
        value[0] if isinstance(value, list) and value and value.count(value[0]) == len(value) else value
        for value in (old, new)
    )
    return f'{key}: {old} then, {new} now'
