"""``--cfg-options`` that code reads."""

import difflib
from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from focus_mmdet.errors import InputError

#: First keys that code reads once the config is built: the arguments of a Runner, what it looks up
#: itself, and what InContextInferencer does.
READ = (
    set(signature(Runner.__init__).parameters)
    | {'model_wrapper_cfg', 'sync_bn', 'find_unused_parameters', 'compile', 'activation_checkpointing'}
    | {'efficient_conv_bn_eval', 'inference_pipeline'}
) - {'self', 'cfg', 'launcher'}
_ELSEWHERE = {
    'launcher': 'give the flag --launcher',
    'custom_imports': 'set it in the config file: modules are imported before options are heard',
}
#: Of dicts that MMEngine takes keys from without a word about others.
_READ_WITHIN = {
    'auto_scale_lr': ('enable', 'base_batch_size'),
    'env_cfg': ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'),
}
_SHOWN = 8


def check_options(config: Config, options: Mapping[str, Any]) -> None:
    """Refuse options that would change nothing, or break the config.

    A config's own variables, such as ``max_iters``, are used up when it is built.

    Args:
        config: As built from its file.
        options: Values by dotted key.

    Raises:
        InputError: No code reads a key; the message names those that are likely
            meant. Or a value takes the place of a dict.
    """
    known = READ - ({'data_preprocessor'} if 'data_preprocessor' in config.model else set())
    for key, value in options.items():
        first, *rest = key.split('.')
        within = _READ_WITHIN.get(first) if rest else None
        if first not in known:
            raise InputError(f'--cfg-options {key}: {_advice(config, first, rest, known)}')
        if within and rest[0] not in within:
            raise InputError(f'--cfg-options {key}: of {first} only {", ".join(within)} are read')
        old = dict(_paths(config.to_dict())).get(key)
        if isinstance(old, dict) and value is not None and not isinstance(value, dict):
            raise InputError(
                f'--cfg-options {key}={value}: {key} is a dict; set the keys in it: '
                f'{", ".join(f"{key}.{name}" for name in old)}'
            )


def _advice(config: Config, first: str, rest: list[str], known: set[str]) -> str:
    """What to set in place of a key that no code reads."""
    if first in _ELSEWHERE:
        return _ELSEWHERE[first]
    near = difflib.get_close_matches(first, known, n=1, cutoff=0.8)
    if near:
        return f'no code reads {first!r}; did you mean {near[0]!r}?'
    paths = [pair for pair in _paths(config.to_dict()) if pair[0].split('.')[0] in known]
    named = [path for path, _ in paths if path.split('.')[-1] == first]
    built = [path for path, value in paths if first in config and value == config[first]]
    meant = ['.'.join([path, *rest]) for path in dict.fromkeys(named + built)]
    if not meant and rest:
        meant = [path for path, _ in paths if path.split('.')[-1] == rest[-1]]
    what = 'a variable of the config, used up when it is built' if first in config else 'no code reads it'
    if not meant:
        return what
    more = '' if len(meant) <= _SHOWN else f' and {len(meant) - _SHOWN} more'
    return f'{what}. Set {", ".join(meant[:_SHOWN])}{more}'


def _paths(node: Any, path: str = '') -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything in a config."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for name, value in pairs:
        yield f'{path}{name}', value
        if isinstance(value, (dict, list, tuple)):
            yield from _paths(value, f'{path}{name}.')
