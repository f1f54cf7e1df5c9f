"""What test_distributed.py plugs into two processes by ``custom_imports``."""

from zlib import crc32

import torch
from mmdet.registry import LOOPS, TASK_UTILS
from mmengine.dist import get_rank

from focus_mmdet.engine import GRPOTrainLoop, Reward


@TASK_UTILS.register_module()
class TextReward(Reward):
    """As good as random, and the same in every process."""

    name = 'text'

    def __call__(self, answers):
        return torch.tensor([crc32(text.encode()) % 1000 / 1000 for text in answers.texts])


@TASK_UTILS.register_module()
class FlatOnOneRank(TextReward):
    """No group of the second process has any spread."""

    def __call__(self, answers):
        return super().__call__(answers) * (get_rank() == 0)


@LOOPS.register_module()
class SkippingLoop(GRPOTrainLoop):
    """The mistake: a rank with nothing to learn takes no part."""

    def _update(self, data, rollout):
        if rollout.advantages.abs().max() == 0:
            zero = torch.zeros(())
            names = ['loss', 'loss_policy', 'entropy']
            return dict.fromkeys([*names, *[f'clip_ratio/{n}_mean' for n in ('low', 'high', 'region')]], zero)
        return super()._update(data, rollout)
