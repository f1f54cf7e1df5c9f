"""Muon for matrices, AdamW for what it is not made for."""

from collections.abc import Callable, Iterable
from typing import Any

from mmengine.registry import OPTIMIZERS
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import AdamW, Muon, Optimizer

from focus_mmdet.errors import InputError


@OPTIMIZERS.register_module()
class MuonWithAdamW(Optimizer):
    """``torch.optim.Muon`` takes matrices only; the rest trains by AdamW at the same rate.

    Embeddings and the output layer are matrices too, but rows of them are
    words and places: AdamW has them.

    Args:
        params: Pairs of name and parameter, as ``TrainableOptimWrapperConstructor`` gives them.
        lr: Of both; Muon's steps are scaled to the size of AdamW's.
        weight_decay: Of both.
        betas: Of AdamW.

    Raises:
        InputError: Parameters without names, or sharded ones.
    """

    def __init__(
        self,
        params: Iterable[tuple[str, Tensor]],
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.98),
    ) -> None:
        named: list[Any] = list(params)
        if not all(isinstance(pair, tuple) for pair in named):
            raise InputError(
                "optimizer MuonWithAdamW: set optim_wrapper.constructor='TrainableOptimWrapperConstructor'"
            )
        if any(isinstance(parameter, DTensor) for _, parameter in named):
            raise InputError('optimizer MuonWithAdamW does not go with FullyShardedModel: take AdamW')
        matrices = [pair for pair in named if _is_transform(*pair)]
        others = [pair for pair in named if not _is_transform(*pair)]
        self._parts: list[Optimizer] = []
        if matrices:
            muon = Muon(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn='match_rms_adamw')
            self._parts.append(muon)
        if others:
            self._parts.append(AdamW(others, lr=lr, weight_decay=weight_decay, betas=betas))
        groups = [group for part in self._parts for group in part.param_groups]
        super().__init__(groups, {'lr': lr, 'weight_decay': weight_decay})
        self._share()

    def _share(self) -> None:
        """Let the two work on this optimizer's groups and state, which are saved and scheduled."""
        for part, group in zip(self._parts, self.param_groups, strict=True):
            part.param_groups = [group]
            part.state = self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else closure()
        for part in self._parts:
            part.step()
        return loss


def _is_transform(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 2 and 'embed' not in name and 'lm_head' not in name
