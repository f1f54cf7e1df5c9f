"""One box out of several answers to a query."""

from dataclasses import dataclass

import torch
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

from focus_mmdet.errors import check_number
from focus_mmdet.models.heads.seen_query import SeenQuery

#: Boxes that overlap more (IoU) mean the same place.
_SAME_PLACE = 0.5


@dataclass(frozen=True)
class Voting:
    """Answers are drawn beside the most probable one, and elect a box.

    Candidates are what was answered, and the region that looks most like the object, which counts as
    ``region * draws`` answers. Elected is the one with the highest mean IoU with all and, ``likeness`` times,
    the highest cosine of what it holds to what the supports' boxes hold. The box is the mean of the
    candidates in the same place.

    Args:
        draws: Answers that are drawn, at temperature 1 and by :meth:`noise`.
        likeness: See above; 0 does not look at what candidates hold.
        region: See above; 0 lets answers alone be candidates.
        threshold: What belongs to the region, as a share of the highest contrast in the query; 0..1.

    Raises:
        InputError: A value is out of range.
    """

    draws: int
    likeness: float = 4.0
    region: float = 1 / 3
    threshold: float = 0.4

    def __post_init__(self) -> None:
        check_number('model.bbox_head.voting.draws', self.draws, low=1, whole=True)
        check_number('model.bbox_head.voting.likeness', self.likeness, low=0, high=1000)
        check_number('model.bbox_head.voting.region', self.region, low=0, high=1000)
        check_number('model.bbox_head.voting.threshold', self.threshold, low=0, high=1)

    def noise(self, steps: int) -> Tensor:
        """(1 + draws, steps) for :func:`generate`: the most probable answer, and uniforms, always the same.

        In each step one is in each of ``draws`` equal parts, so that few answers stand for all that a model
        might say (Latin hypercube sampling: McKay et al., 1979).
        """
        generator = torch.Generator().manual_seed(0)
        parts = torch.stack([torch.randperm(self.draws, generator=generator) for _ in range(steps)], 1)
        drawn = (parts + torch.rand(self.draws, steps, generator=generator)) / self.draws
        return torch.cat([torch.full((1, steps), torch.nan), drawn])

    def elect(self, answers: Tensor, cells: tuple[int, int], seen: SeenQuery | None) -> Tensor:
        """(1, 4) in cells, the box that is elected; (0, 4) where nothing was answered.

        Args:
            answers: (N, 4) in cells.
            cells: Largest x and y coordinate of an answer.
            seen: What the vision part says of the query; None where there are no supports.
        """
        if not len(answers):
            return answers
        sides = answers.new_tensor([*cells, *cells])
        return self._elect(answers / sides, seen)[None] * sides

    def _elect(self, answers: Tensor, seen: SeenQuery | None) -> Tensor:
        candidates, votes = answers, answers.new_ones(len(answers))
        if seen is not None and self.region:
            candidates = torch.cat([answers, seen.region(self.threshold)[None].to(answers)])
            votes = torch.cat([votes, votes.new_tensor([self.region * self.draws])])
        overlaps = bbox_overlaps(candidates, candidates)
        worth = overlaps @ votes / votes.sum()
        if seen is not None and self.likeness:
            worth = worth + self.likeness * seen.alike(candidates).to(worth)
        same = votes * (overlaps[worth.argmax()] > _SAME_PLACE)
        return same @ candidates / same.sum()
