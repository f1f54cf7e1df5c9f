"""FOCUS for MMDetection: find this very object in other pictures.

Importing the package registers every component with MMDetection's registries:
``custom_imports = dict(imports=['focus_mmdet'])``.
"""

from focus_mmdet.mmcv_ops import install_stand_in

install_stand_in()

# Below, because importing mmdet needs what the line above provides.
from focus_mmdet import datasets, engine, evaluation, models, visualization  # noqa: E402
from focus_mmdet.errors import InputError  # noqa: E402
from focus_mmdet.shipped_configs import let_configs_inherit  # noqa: E402
from focus_mmdet.version import __version__  # noqa: E402

let_configs_inherit()

__all__ = ['InputError', '__version__', 'datasets', 'engine', 'evaluation', 'models', 'visualization']
