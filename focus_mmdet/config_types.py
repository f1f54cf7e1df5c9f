"""Values of a config, held against the types that our components ask for."""

from collections.abc import Iterator
from functools import cache
from typing import Any, get_type_hints

from mmdet import registry as registries
from mmengine.config import Config
from mmengine.registry import Registry
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from focus_mmdet.config_options import READ
from focus_mmdet.errors import InputError
from focus_mmdet.type_name import type_name

#: Strict, because the text 'no' is no False.
_STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)
#: Parts that a detector builds, by its type: their types may be left out.
_PARTS = {
    ('FocusDetector', 'bbox_head'): 'VLMHead',
    ('FocusDetector', 'data_preprocessor'): 'EpisodeDataPreprocessor',
    ('FeatureMatcher', 'backbone'): 'VisionBackbone',
}


def check_types(config: Config) -> None:
    """Hold what a config gives to components of this package against their type hints.

    Ranges are for the components to check, and so are settings of other packages.

    Raises:
        InputError: A value of another type.
    """
    components = dict(_components())
    for key, value in config.to_dict().items():
        if key in READ:
            _check(value, key, None, components)


def _check(node: Any, path: str, kind: str | None, components: dict[str, Any]) -> None:
    """Check a part of a config; ``kind`` is what it is where it does not say so."""
    if isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            _check(value, f'{path}.{index}', None, components)
    if not isinstance(node, dict):
        return
    kind = type_name(node) or kind
    hints = _hints(components[kind]) if kind in components else {}
    for name, value in node.items():
        if name in hints and not _fits(value, hints[name]):
            raise InputError(f'{path}.{name}={value!r}: give {_said(hints[name])}')
        _check(value, f'{path}.{name}', _PARTS.get((kind or '', name)), components)


def _components() -> Iterator[tuple[str, Any]]:
    """What builds the components of this package that a config can name."""
    for registry in vars(registries).values():
        if isinstance(registry, Registry):
            for name, component in registry.module_dict.items():
                made = component
                if isinstance(component, type):
                    made = component.__init__  # type: ignore[misc]  # of the class as it is
                # Others' hints, where a class takes its base's arguments, need not be meant.
                if getattr(made, '__module__', '').partition('.')[0] == 'focus_mmdet':
                    yield name, made


@cache
def _hints(component: Any) -> dict[str, Any]:
    return get_type_hints(component)


@cache
def _adapter(hint: Any) -> TypeAdapter | None:
    """None of a type that cannot be checked so."""
    try:
        return TypeAdapter(hint, config=_STRICT)
    except PydanticUserError:
        return None


def _fits(value: Any, hint: Any) -> bool:
    """Is a value of a type? Lists are taken for tuples, as a command line has no others."""
    adapter = _adapter(hint)
    if adapter is None:
        return True
    for given in (value, _with_tuples(value)):
        try:
            adapter.validate_python(given)
        except ValidationError:
            continue
        return True
    return False


def _with_tuples(value: Any) -> Any:
    return tuple(map(_with_tuples, value)) if isinstance(value, (list, tuple)) else value


def _said(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) else str(hint)
    return text.replace('typing.', '').replace('collections.abc.', '').replace('NoneType', 'None')
