"""What all processes measured, for the log of the first."""

from typing import Any

import torch
from mmengine.dist import all_reduce
from torch import Tensor


def mean_over_ranks(values: dict[str, Any]) -> dict[str, Any]:
    """Scalars averaged over ranks, in one collective."""
    device = next((value.device for value in values.values() if isinstance(value, Tensor)), None)
    stacked = torch.stack(
        [torch.as_tensor(value, device=device).detach().float() for value in values.values()]
    )
    all_reduce(stacked, op='mean')
    return dict(zip(values, stacked.unbind(), strict=True))
