"""Name a config that comes with the package: ``focus_mmdet::focus_stage1.py``.

MMEngine reads ``package::file`` for a fixed list of packages, wants a folder in
the name, and gives what it read a registry scope of the package's name. Ours is
not listed, has configs in no folder, and registers with MMDetection.
"""

import difflib

from mmengine.config import Config

from focus_mmdet.errors import InputError
from focus_mmdet.shipped import SHIPPED, find_shipped

_PREFIX = 'focus_mmdet::'


def find_config(name: str) -> str:
    """The file that ``name`` means: ``focus_mmdet::...``, or a path as of :func:`find_shipped`.

    Raises:
        InputError: The package has no such config.
    """
    if not name.startswith(_PREFIX):
        return find_shipped(name)
    folder = SHIPPED / 'configs'
    path = folder / name.removeprefix(_PREFIX)
    if path.is_file():
        return str(path)
    known = [str(file.relative_to(folder)) for file in folder.rglob('*.py')]
    near = difflib.get_close_matches(name.removeprefix(_PREFIX), known, n=1)
    advice = f'Did you mean {_PREFIX}{near[0]}?' if near else f'They are in {folder}'
    raise InputError(f'{name}: no such config in the package. {advice}')


def let_configs_inherit() -> None:
    """Have MMEngine find ``_base_ = 'focus_mmdet::...'``, whoever reads the config."""
    find_others = Config._get_cfg_path

    def find(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(_PREFIX):
            return find_config(cfg_path), None
        return find_others(cfg_path, filename)

    Config._get_cfg_path = staticmethod(find)
