"""Which weights are optimized, and by what. May import ``models``."""

from focus_mmdet.engine.optimizers.muon_with_adamw import MuonWithAdamW
from focus_mmdet.engine.optimizers.trainable_optim_wrapper_constructor import TrainableOptimWrapperConstructor

__all__ = ['MuonWithAdamW', 'TrainableOptimWrapperConstructor']
