"""What a rollout of GRPO was worth, and how long it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from mmengine.dist import get_world_size
from torch import Tensor

from focus_mmdet.engine.rewards import Answers
from focus_mmdet.models.vlm.generation import Generated


@dataclass(frozen=True)
class ScoredAnswers:
    """The last rollout, for who wants to look at it.

    Attributes:
        answers: B * G answers, those of one prompt side by side.
        rewards: (B * G,) total reward.
        each: (B * G,) every reward by name.
        advantages: (B * G,).
        cells: (B, 2) largest x and y coordinate of an answer.
    """

    answers: Answers
    rewards: Tensor
    each: dict[str, Tensor]
    advantages: Tensor
    cells: Tensor

    def metrics(self, generated: Generated) -> dict[str, Tensor]:
        """Under TRL's names."""
        spread = self.rewards.view(len(self.cells), -1).std(1)
        lengths = spread.new_tensor([len(ids) for ids in generated.ids])
        metrics = {
            'reward': self.rewards.mean(),
            'reward_std': spread.mean(),
            'frac_reward_zero_std': (spread < 1e-6).float().mean(),
            'completions/mean_length': lengths.mean(),
            'completions/clipped_ratio': generated.cut.float().mean(),
        }
        for name, values in self.each.items():
            metrics[f'rewards/{name}/mean'] = values.mean()
            metrics[f'rewards/{name}/std'] = values.std()
        return metrics


def seconds_of_phases(clock: Sequence[float], tokens: int) -> dict[str, Tensor]:
    """Seconds of each phase, and prompt and answer tokens of all ranks a second."""
    rollout, reward, update = (after - before for before, after in pairwise(clock))
    seconds = {'seconds/rollout': rollout, 'seconds/reward': reward, 'seconds/update': update}
    seconds['tokens_per_second'] = tokens * get_world_size() / (clock[-1] - clock[0])
    return {name: torch.tensor(value) for name, value in seconds.items()}
