"""An optimizer over what trains, and nothing else."""

from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.sharding import save_whole_state


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Pass only parameters that require a gradient to the optimizer, with their names.

    MMEngine's default also hands over the frozen billions of a LoRA model.
    ``paramwise_cfg`` is not supported.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        if self.paramwise_cfg:
            raise InputError('optim_wrapper.paramwise_cfg does not go with TrainableOptimWrapperConstructor')
        module: Any = model.module if is_model_wrapper(model) else model
        trainable = [pair for pair in module.named_parameters() if pair[1].requires_grad]
        if not trainable:
            raise InputError('nothing to train: set model.bbox_head.lora, or unfreeze some weights')
        try:
            optimizer = OPTIMIZERS.build({**self.optimizer_cfg, 'params': trainable})
        except (TypeError, ValueError) as error:
            raise InputError(f'optim_wrapper.optimizer={dict(self.optimizer_cfg)}: {error}') from error
        save_whole_state(optimizer)
        wrapper = {'type': 'OptimWrapper', **self.optim_wrapper_cfg}
        return OPTIM_WRAPPERS.build(wrapper, default_args={'optimizer': optimizer})
