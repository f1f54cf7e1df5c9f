"""One sequence per group: [prompt | answer 1 | .. | answer G].

Every answer token sees the whole prompt and its own answer so far, and takes
the position it would have right after the prompt. The learning pass then pays
for the prompt once and equals G separate passes (Prefix Grouper,
arXiv 2506.05433).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass
class SharedPrefix:
    """A batch of B groups; T is the longest of their sequences.

    Attributes:
        input_ids: (B, T), padded on the right.
        mask: (B, 1, T, T) bool, True where row may see column.
        lengths: (B,) prompt lengths.
        depth: (B, T), how far behind its prompt an answer token stands: 0 for
            the first token of each answer, -1 on the prompt and on padding.
        source: Flat (batch, position) index pair, each (N, L) for N = B * G
            answers: the token whose logits predict answer token l. The first
            one is predicted by the prompt's last token.
        target_ids: (N, L) answer ids, padded with 0.
        target_mask: (N, L) bool, True on answer tokens.
    """

    input_ids: Tensor
    mask: Tensor
    lengths: Tensor
    depth: Tensor
    source: tuple[Tensor, Tensor]
    target_ids: Tensor
    target_mask: Tensor


def _owner_and_depth(prompt: int, answers: Sequence[Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
    """Per token of one group: which answer it belongs to (-1 prompt), depth."""
    owner = [torch.full((prompt,), -1, device=device)]
    depth = [torch.full((prompt,), -1, device=device)]
    for index, answer in enumerate(answers):
        owner.append(torch.full((len(answer),), index, device=device))
        depth.append(torch.arange(len(answer), device=device))
    return torch.cat(owner), torch.cat(depth)


def _source_positions(prompt: int, answers: Sequence[Tensor], width: int, device: torch.device) -> Tensor:
    """(G, width): position that predicts token l of each answer."""
    rows = torch.full((len(answers), width), prompt - 1, device=device)
    start = prompt
    for index, answer in enumerate(answers):
        rows[index, 1 : len(answer)] = torch.arange(start, start + len(answer) - 1, device=device)
        start += len(answer)
    return rows


def share_prefix(prompts: Sequence[Tensor], answers: Sequence[Sequence[Tensor]], pad_id: int) -> SharedPrefix:
    """Lay out B prompts, each with its G answers.

    Args:
        prompts: B tensors of token ids, (P_i,).
        answers: B lists of G tensors of token ids, each at least one token.
        pad_id: Fills the right of shorter sequences.

    Raises:
        ValueError: An answer is empty.
    """
    if any(len(answer) == 0 for group in answers for answer in group):
        raise ValueError('every answer needs at least one token (the stop token counts)')
    device = prompts[0].device
    sequences = [torch.cat([prompt, *group]) for prompt, group in zip(prompts, answers, strict=True)]
    input_ids = pad_sequence(sequences, batch_first=True, padding_value=pad_id)
    size, total = input_ids.shape
    flat = [answer for group in answers for answer in group]
    width = max(len(answer) for answer in flat)

    causal = torch.ones(total, total, dtype=torch.bool, device=device).tril()
    mask = torch.zeros(size, 1, total, total, dtype=torch.bool, device=device)
    depth = torch.full((size, total), -1, device=device)
    positions = []
    for row, (prompt, group) in enumerate(zip(prompts, answers, strict=True)):
        owner, depth_row = _owner_and_depth(len(prompt), group, device)
        depth[row, : len(owner)] = depth_row
        padded = torch.full((total,), -2, device=device)
        padded[: len(owner)] = owner
        visible = (padded[None, :] == -1) | (padded[None, :] == padded[:, None])
        mask[row, 0] = visible & causal
        positions.append(_source_positions(len(prompt), group, width, device))
    batch_index = torch.arange(size, device=device).repeat_interleave(
        torch.tensor([len(group) for group in answers], device=device)
    )
    lengths = torch.tensor([len(answer) for answer in flat], device=device)
    return SharedPrefix(
        input_ids=input_ids,
        mask=mask,
        lengths=torch.tensor([len(prompt) for prompt in prompts], device=device),
        depth=depth,
        source=(batch_index[:, None].expand(-1, width), torch.cat(positions)),
        target_ids=pad_sequence(flat, batch_first=True),
        target_mask=torch.arange(width, device=device)[None] < lengths[:, None],
    )
