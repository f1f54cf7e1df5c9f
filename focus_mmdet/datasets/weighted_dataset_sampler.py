"""Draw from several datasets by weight, whatever their sizes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import DATA_SAMPLERS
from mmengine.dataset import InfiniteSampler

from focus_mmdet.errors import InputError, check_number

_AT_ONCE = 1024


def check_weights(weights: Any, datasets: Sequence[Any] | None) -> None:
    """See that ``weights`` are those of a :class:`WeightedDatasetSampler` over ``datasets``.

    Args:
        weights: Of ``train_dataloader.sampler``.
        datasets: Those of a ``ConcatDataset``, or their configs; None for another dataset.

    Raises:
        InputError: They are not.
    """
    key = 'train_dataloader.sampler.weights'
    if datasets is None:
        raise InputError(
            f'{key}: there is no ConcatDataset whose datasets could be weighed. For one dataset inherit from '
            'configs/focus_stage1_tao.py, or set train_dataloader.sampler=dict(_delete_=True, '
            "type='InfiniteSampler')"
        )
    if not isinstance(weights, Mapping) or len(weights) != len(datasets):
        raise InputError(
            f'{key}={weights!r}: give a dict with a name and a weight for each of the {len(datasets)} '
            'datasets of the ConcatDataset, in their order'
        )
    for name, weight in weights.items():
        check_number(f'{key}.{name}', weight, low=1e-6)


@DATA_SAMPLERS.register_module()
class WeightedDatasetSampler(InfiniteSampler):
    """An ``InfiniteSampler`` that first draws the dataset, then takes its next episode.

    Each dataset is gone through in an order of its own, anew in every pass. The
    order of all depends on ``seed`` alone: processes take turns in it, and a
    resumed run goes on in it.

    Args:
        dataset: A ``ConcatDataset``.
        weights: How often each of its datasets is drawn, relative to the others, by a
            name that the log gives it; in the order of ``dataset.datasets``.
        seed: Of all draws; None: MMEngine's.

    Raises:
        InputError: See :func:`check_weights`.
    """

    def __init__(self, dataset: Any, weights: Mapping[str, float], seed: int | None = None) -> None:
        check_weights(weights, getattr(dataset, 'datasets', None))
        super().__init__(dataset, seed=seed)
        total = sum(weights.values())
        #: By name; they sum to 1.
        self.shares = {name: weight / total for name, weight in weights.items()}

    def _infinite_indices(self) -> Iterator[int]:
        ends = np.cumsum([len(each) for each in self.dataset.datasets]).tolist()
        orders = [
            self._passes(number, range(start, end))
            for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
        ]
        shares = torch.tensor(list(self.shares.values()), dtype=torch.float64)
        generator = self._generator(len(orders))
        while True:
            for chosen in torch.multinomial(shares, _AT_ONCE, True, generator=generator).tolist():
                yield next(orders[chosen])

    def _passes(self, number: int, indices: range) -> Iterator[int]:
        generator = self._generator(number)
        while True:
            for place in torch.randperm(len(indices), generator=generator).tolist():
                yield indices[place]

    def _generator(self, number: int) -> torch.Generator:
        """Of its own for each dataset, and for what comes behind them."""
        seed = np.random.SeedSequence([self.seed, number]).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(seed) % 2**63)
