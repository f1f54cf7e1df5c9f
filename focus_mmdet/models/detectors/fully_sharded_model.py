"""Weights, gradients and optimizer state spread over the GPUs."""

from typing import Any

from mmengine.device import get_device
from mmengine.registry import MODEL_WRAPPERS
from torch import nn
from torch.distributed import get_world_size
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from focus_mmdet.errors import InputError
from focus_mmdet.models.detectors.focus_detector import FocusDetector
from focus_mmdet.models.vlm.loading import NOT_SPREAD, fetch


@MODEL_WRAPPERS.register_module()
class FullyShardedModel(nn.Module):
    """torch's FSDP2 under MMEngine's Runner, in place of DDP.

    ``reshard_after_forward`` is what others call ZeRO-3: every layer is
    gathered when it is needed, and let go. Without, as in ZeRO-2, gathered
    weights are kept until backward. Checkpoints are those of any other run.

    Under ``FocusRunner``, which tools/train.py and test.py use, no process ever
    holds the whole model: each maps the weight files, takes one block after
    the other to its GPU, and keeps its part. Under MMEngine's own runner each
    GPU holds the whole model once, before it is spread. It takes the loops of
    focus_mmdet and ``TrainableOptimWrapperConstructor``. A run without a
    launcher is not wrapped.

    Args:
        module: The detector.
        reshard_after_forward: Gather weights again for backward.

    Raises:
        InputError: The weights are quantized, or the option is no bool.
    """

    def __init__(self, module: FocusDetector, reshard_after_forward: bool = True) -> None:
        super().__init__()
        if not isinstance(reshard_after_forward, bool):
            raise InputError(
                f'model_wrapper_cfg.reshard_after_forward={reshard_after_forward!r}: give True or False'
            )
        vlm = module.bbox_head.vlm
        if getattr(vlm.model, 'is_quantized', False):
            raise InputError(NOT_SPREAD)
        self.module = module
        device = get_device()
        mesh = init_device_mesh(device, (get_world_size(),))
        for part in [*vlm.blocks, vlm]:
            fetch(part, vlm.waiting, device)
            fully_shard(part, mesh=mesh, reshard_after_forward=reshard_after_forward)
        module.to(device)
        register_fsdp_forward_method(vlm, 'image_features')

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: Any) -> Any:
        return self.module.train_step(data, optim_wrapper)

    def val_step(self, data: Any) -> Any:
        return self.module.val_step(data)

    def test_step(self, data: Any) -> Any:
        return self.module.test_step(data)
