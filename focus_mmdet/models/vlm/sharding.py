"""Tensors that are spread over processes, and back."""

from typing import Any

import torch
from mmengine.dist import is_main_process
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, in every process; all must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def spread_like(tensor: Tensor, example: Tensor) -> Tensor:
    """A tensor that every process has, spread over them as ``example`` is: each keeps its part."""
    if not isinstance(example, DTensor) or isinstance(tensor, DTensor):
        return tensor
    tensor = tensor.to(example.device, example.dtype)
    return distribute_tensor(tensor, example.device_mesh, example.placements, src_data_rank=None)


def is_sharded(model: nn.Module) -> bool:
    """Do its forward passes call collectives?"""
    return any(isinstance(module, FSDPModule) for module in model.modules())


def forget_gathered(model: nn.Module) -> None:
    """Gather weights anew in the next pass, because their shards were changed."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def on_main(value: Any) -> Any:
    """Whole on the CPU of the first process, because together they may not fit a GPU; others need no copy.

    All must ask.
    """
    if not isinstance(value, DTensor):
        return value
    full = whole(value)
    return full.cpu() if is_main_process() else full.new_zeros(0)


def save_whole_state(optimizer: Optimizer) -> None:
    """Let an optimizer of sharded weights save and load states that are whole."""

    def gather(_: Optimizer, state_dict: dict) -> dict:
        state = {
            index: {name: on_main(value) for name, value in values.items()}
            for index, values in state_dict['state'].items()
        }
        return {**state_dict, 'state': state}

    def spread(optimizer: Optimizer, state_dict: dict) -> dict:
        weights = [weight for group in optimizer.param_groups for weight in group['params']]
        order = [index for group in state_dict['param_groups'] for index in group['params']]
        by_index = dict(zip(order, weights, strict=True))
        state = {
            index: {
                name: spread_like(value, by_index[index])
                if torch.is_tensor(value) and value.shape == by_index[index].shape
                else value
                for name, value in values.items()
            }
            for index, values in state_dict['state'].items()
        }
        return {**state_dict, 'state': state}

    optimizer.register_state_dict_post_hook(gather)
    optimizer.register_load_state_dict_pre_hook(spread)
