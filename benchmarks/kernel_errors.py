"""How exact the kernels under both stages are, against plain references in float64.

    python benchmarks/kernel_errors.py                # small sizes on the CPU
    python benchmarks/kernel_errors.py --model 7b     # Qwen2-VL-7B's, needs a GPU

On random inputs, in float32 and bfloat16: the attention mass of stage 1, the
attention of stage 2 over a prompt and its answers, and what is read of logits
for a few tokens at a time. The references keep whole attention maps and whole
tables. An error is the largest difference of a result or a gradient, relative
to the largest value. The last line is JSON.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from metering import device_name
from torch import Tensor
from transformers.integrations.sdpa_attention import sdpa_attention_forward

import focus_mmdet  # noqa: F401  loads mmdet with its stand-in
from focus_mmdet.core.attention import attention_mass
from focus_mmdet.core.prefix import share_prefix
from focus_mmdet.core.vocabulary import read_logits, token_logps
from focus_mmdet.models.vlm.prefix_attention import causal_prefix

DTYPES = ('float32', 'bfloat16')


@dataclass(frozen=True)
class Sizes:
    """Of a language model, and tokens of a prompt with its answers: 64 more than a multiple of 128,
    where cuDNN's kernels have been wrong under a mask."""

    heads: int
    key_heads: int
    head: int
    width: int
    vocabulary: int
    prompt: int
    answers: int = 8
    answer: int = 24


SIZES = {
    'small': Sizes(heads=8, key_heads=2, head=32, width=256, vocabulary=1024, prompt=384),
    '7b': Sizes(heads=28, key_heads=4, head=128, width=3584, vocabulary=152064, prompt=1920),
}


def masked_attention(query: Tensor, key: Tensor, hidden: Tensor) -> Tensor:
    """(H, T, T) attention map of (H, T, D) queries and (H_kv, T, D) keys, with nothing on ``hidden``."""
    key = key.repeat_interleave(len(query) // len(key), 0)
    scores = query @ key.transpose(1, 2) * query.shape[-1] ** -0.5
    return scores.masked_fill(hidden, float('-inf')).softmax(-1)


def mass(sizes: Sizes, device: str) -> tuple[Any, Any, list[Tensor]]:
    """Of the last quarter of the prompt on some of its tokens: ours, the reference, and inputs of both."""
    tokens = sizes.prompt
    query, key = _heads(sizes.heads, tokens, sizes, device), _heads(sizes.key_heads, tokens, sizes, device)
    columns = (torch.rand(tokens, 1, device=device) < 0.05).double()
    rows = (tokens - tokens // 4, tokens)
    hidden = torch.ones(tokens, tokens, dtype=torch.bool, device=device).triu(1)

    def ours(query: Tensor, key: Tensor) -> Tensor:
        return attention_mass(query, key, columns, rows, sizes.head**-0.5)

    def reference(query: Tensor, key: Tensor) -> Tensor:
        return (masked_attention(query, key, hidden)[:, slice(*rows)] @ columns).mean(0)

    return ours, reference, [query, key]


def prefix(sizes: Sizes, device: str) -> tuple[Any, Any, list[Tensor]]:
    """Attention over a prompt and its answers, each of which sees the prompt and itself."""
    prompt = torch.zeros(sizes.prompt, dtype=torch.long, device=device)
    answers = [torch.zeros(sizes.answer, dtype=torch.long, device=device)] * sizes.answers
    shared = share_prefix([prompt], [answers], pad_id=0)
    tokens = shared.input_ids.shape[1]
    assert tokens % 128 == 64
    inputs = [_heads(heads, tokens, sizes, device) for heads in (sizes.heads, *[sizes.key_heads] * 2)]
    hidden = torch.ones(tokens, tokens, dtype=torch.bool, device=device).triu(1)
    hidden[sizes.prompt :] = ~shared.mask[0, 0]
    layer: Any = SimpleNamespace(
        num_key_value_groups=sizes.heads // sizes.key_heads, is_causal=True, training=True
    )

    def ours(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        states = (query[None], key[None], value[None])
        output: Tensor = causal_prefix(sdpa_attention_forward)(layer, *states, shared.mask)[0]
        return output[0].transpose(0, 1)

    def reference(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return masked_attention(query, key, hidden) @ value.repeat_interleave(len(query) // len(key), 0)

    return ours, reference, inputs


def logps(sizes: Sizes, device: str) -> tuple[Any, Any, list[Tensor]]:
    """Log-probabilities and entropies of answer tokens, a few at a time, of their hidden states."""
    rows = sizes.answers * sizes.answer
    hidden = torch.randn(rows, sizes.width, dtype=torch.float64, device=device)
    words = torch.randn(sizes.vocabulary, sizes.width, dtype=torch.float64, device=device)
    words *= 3 * sizes.width**-0.5
    ids = torch.randint(sizes.vocabulary, (rows,), device=device)

    def ours(hidden: Tensor, words: Tensor) -> Tensor:
        parts = read_logits(lambda part: part @ words.T, token_logps, hidden, ids, sizes.vocabulary)
        return torch.stack([torch.cat(part) for part in zip(*parts, strict=True)])

    def reference(hidden: Tensor, words: Tensor) -> Tensor:
        each = (hidden @ words.T).log_softmax(-1)
        return torch.stack([each.gather(1, ids[:, None])[:, 0], -(each.exp() * each).sum(-1).detach()])

    return ours, reference, [hidden, words]


def _heads(heads: int, tokens: int, sizes: Sizes, device: str) -> Tensor:
    return torch.randn(heads, tokens, sizes.head, dtype=torch.float64, device=device)


def results(call: Callable[..., Tensor], inputs: list[Tensor], weights: Tensor) -> list[Tensor]:
    """What is returned, then the gradients of its weighted sum."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    output = call(*leaves)
    (output * weights.to(output.dtype)).sum().backward()
    return [output.detach(), *[leaf.grad for leaf in leaves if leaf.grad is not None]]


def error(found: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return float((found.double() - expected).abs().max() / expected.abs().max())


def measure(kernel: Callable[..., Any], sizes: Sizes, device: str, dtype: str) -> float:
    """The largest error of the result and its gradients."""
    torch.manual_seed(0)
    ours, reference, inputs = kernel(sizes, device)
    inputs = [tensor.to(getattr(torch, dtype)) for tensor in inputs]
    # Both see the rounded inputs, and sums that do not cancel out.
    exact = [tensor.double() for tensor in inputs]
    weights = torch.rand_like(reference(*exact))
    pairs = zip(results(ours, inputs, weights), results(reference, exact, weights), strict=True)
    return max(error(found, expected) for found, expected in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--model', choices=sorted(SIZES), default='small')
    args = parser.parse_args()
    if args.model == '7b' and not torch.cuda.is_available():
        parser.error('--model 7b needs a GPU')
    device = 'cuda' if args.model == '7b' else 'cpu'
    torch.backends.cuda.enable_cudnn_sdp(False)  # as where a head is built
    print(f'{args.model} sizes, {device_name(device)}; relative errors')
    print(f'{"":<8}' + ''.join(f'{dtype:>12}' for dtype in DTYPES))
    figures: dict[str, Any] = {}
    for kernel in (mass, prefix, logps):
        errors = {dtype: measure(kernel, SIZES[args.model], device, dtype) for dtype in DTYPES}
        figures[kernel.__name__] = errors
        print(f'{kernel.__name__:<8}' + ''.join(f'{value:>12.1e}' for value in errors.values()), flush=True)
    print(json.dumps({**figures, 'device': device_name(device)}))


if __name__ == '__main__':
    main()
