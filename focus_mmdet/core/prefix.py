"""One sequence per group: [prompt | answer 1 | .. | answer G].

Every answer token sees the whole prompt and its own answer so far, and takes
the position it would have right after the prompt. The learning pass then pays
for the prompt once and equals G separate passes (Prefix Grouper,
arXiv 2506.05433). Prompts attend causally, so only answer rows need a mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass
class SharedPrefix:
    """A batch of B groups: prompts padded to P, then answers padded to A.

    Attributes:
        input_ids: (B, P + A), each part padded on the right.
        mask: (B, 1, A, P + A) bool, True where an answer row may see a
            column. The P prompt rows are plainly causal.
        depth: (B, A), how far behind its prompt an answer token stands: 0 for
            the first token of each answer.
        source: Flat (batch, position) index pair, each (N, L) for N = B * G
            answers: the token whose logits predict answer token l. The first
            one is predicted by the prompt's last token.
        target_ids: (N, L) answer ids, padded with 0.
        target_mask: (N, L) bool, True on answer tokens.
    """

    input_ids: Tensor
    mask: Tensor
    depth: Tensor
    source: tuple[Tensor, Tensor]
    target_ids: Tensor
    target_mask: Tensor


def _padded(sequences: Sequence[Tensor], value: int) -> Tensor:
    return pad_sequence(list(sequences), batch_first=True, padding_value=value)


def _source_positions(prompt: int, prefix: int, answers: Sequence[Tensor], width: int) -> Tensor:
    """(G, width): position that predicts token l of each answer."""
    rows = torch.full((len(answers), width), prompt - 1)
    start = prefix
    for index, answer in enumerate(answers):
        rows[index, 1 : len(answer)] = torch.arange(start, start + len(answer) - 1)
        start += len(answer)
    return rows


def share_prefix(prompts: Sequence[Tensor], answers: Sequence[Sequence[Tensor]], pad_id: int) -> SharedPrefix:
    """Lay out B prompts, each with its G answers.

    Args:
        prompts: B tensors of token ids, (P_i,).
        answers: B lists of G tensors of token ids, each at least one token.
        pad_id: Fills the right of shorter prompts and groups of answers.

    Raises:
        ValueError: An answer is empty.
    """
    if any(len(answer) == 0 for group in answers for answer in group):
        raise ValueError('every answer needs at least one token (the stop token counts)')
    device = prompts[0].device
    flat = [answer for group in answers for answer in group]
    lengths = torch.tensor([len(answer) for answer in flat], device=device)
    width = int(lengths.max())
    prompt_ids = _padded(prompts, pad_id)
    prefix = prompt_ids.shape[1]

    owners = [
        torch.cat([torch.full((len(answer),), index, device=device) for index, answer in enumerate(group)])
        for group in answers
    ]
    owner = _padded(owners, -1)  # (B, A), -1 on padding
    depths = [torch.cat([torch.arange(len(answer), device=device) for answer in group]) for group in answers]
    size, total = owner.shape
    own = (owner[:, :, None] == owner[:, None, :]).tril()  # (B, A, A)
    counts = torch.tensor([len(prompt) for prompt in prompts], device=device)
    in_prompt = torch.arange(prefix, device=device)[None] < counts[:, None]  # (B, P)
    mask = torch.cat([in_prompt[:, None].expand(size, total, prefix), own], 2)

    positions = [
        _source_positions(len(prompt), prefix, group, width)
        for prompt, group in zip(prompts, answers, strict=True)
    ]
    batch_index = torch.arange(size).repeat_interleave(torch.tensor([len(group) for group in answers]))
    return SharedPrefix(
        input_ids=torch.cat([prompt_ids, _padded([torch.cat(list(group)) for group in answers], pad_id)], 1),
        mask=mask[:, None],
        depth=_padded(depths, 0),
        source=(batch_index[:, None].expand(-1, width).to(device), torch.cat(positions).to(device)),
        target_ids=_padded(flat, 0),
        target_mask=torch.arange(width, device=device)[None] < lengths[:, None],
    )
