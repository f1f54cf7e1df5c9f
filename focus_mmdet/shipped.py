"""Files that come with the package: configs, tools, the small model and two bases.

Imports nothing of the package: setup.py and the console command read it
alone, because all of the package takes seconds.
"""

from pathlib import Path

#: Where an installed package has them, as MMDetection has its own.
INSTALLED = Path(__file__).resolve().parent / '.mim'
#: The folder of ``configs``, ``tools`` and ``checkpoints``: in a clone its root.
SHIPPED = INSTALLED if INSTALLED.is_dir() else INSTALLED.parent.parent

#: What finds things where no config is named.
READY = 'configs/small/focus_small.py'

_CLONE_DATA = (Path('data/realset'), Path('data/sprites'))


def find_shipped(path: str) -> str:
    """``path``; where nothing is there, what the package has under that relative path."""
    shipped = SHIPPED / path
    return str(shipped) if shipped.exists() and not Path(path).exists() else path


def about_missing_data(path: str | Path) -> str:
    """How to get a data file or folder that a config names and that is not there."""
    if any(Path(path).is_relative_to(folder) for folder in _CLONE_DATA):
        return (
            'This data is in a clone of focus_mmdet alone: run from its root, or set data_root and ann_file '
            'of the dataset in the config to your own, as the README\'s "Your own data" says'
        )
    return (
        'Put the dataset there as the README\'s "Your own data" says, or set data_root and ann_file of the '
        'dataset in the config'
    )
