"""Do the supports matter? Test episodes that tell.

The third probe, moving the support's box to another object, is
``SpriteEpisodeDataset.target``.
"""

from typing import Any

from mmcv.transforms import BaseTransform
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.dataset import BaseDataset
from torch.utils.data import Dataset


@DATASETS.register_module()
class ShuffledSupports(Dataset):
    """Each episode with the supports of another one, half the dataset away.

    Neighbours may show the same object. A model that looks at the supports
    does worse here than without this wrapper.

    Args:
        dataset: An episode dataset, or its config.
        supports: The dataset to take supports from, or its config; default:
            the same.
    """

    def __init__(
        self, dataset: BaseDataset | dict[str, Any], supports: BaseDataset | dict[str, Any] | None = None
    ) -> None:
        self.dataset: Any = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.supports: Any = DATASETS.build(supports) if isinstance(supports, dict) else supports
        if supports is None:
            self.supports = self.dataset
        self.metainfo = self.dataset.metainfo

    def full_init(self) -> None:
        self.dataset.full_init()
        self.supports.full_init()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        count = len(self.supports)
        episode, other = self.dataset[index], self.supports[(index + count // 2) % count]
        episode['data_samples'].supports = other['data_samples'].supports
        return {**episode, 'inputs': [*other['inputs'][:-1], episode['inputs'][-1]]}


@TRANSFORMS.register_module()
class RemoveSupports(BaseTransform):
    """Leave only the query. Stands before the transforms of the frames."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        return {**results, 'supports': []}
