"""How fast answers are drawn, beside what the device could do.

    python benchmarks/rollout.py                # a small model on the CPU
    python benchmarks/rollout.py --model 7b     # true 7B sizes, needs a GPU

G answers of 25 tokens to one prompt of 4 supports and a query, by the rollout
of stage 2, weights random. Bounds: a prefill at 40 % of the peak FLOP/s, and a
decoding step that reads the weights and the cache of every answer once at the
full bandwidth. Both are the data sheet's where the card is known, else those of
a large matrix product and of a copy here. MFU counts the language model's
products and attention, of the prefill alone. The last line is JSON.
"""

import argparse
import json
import statistics
import tempfile
from typing import Any

import torch
from grpo_step import ANSWER, build_batch, build_folder, build_head, build_images
from metering import device_name, metered
from torch import Tensor
from transformers.utils.logging import disable_progress_bar

import focus_mmdet  # noqa: F401  loads mmdet with its stand-in
from focus_mmdet.models.data_preprocessors.data_preprocessor import EpisodeDataPreprocessor
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.heads.vlm_head import VLMHead
from focus_mmdet.models.vlm.generation import generate, sampling_noise

#: Dense bfloat16 FLOP/s and bytes a second, by data sheet.
PEAKS = {
    'NVIDIA A100-SXM4-80GB': (312e12, 2.039e12),
    'NVIDIA H100 80GB HBM3': (989e12, 3.35e12),
    'NVIDIA H200': (989e12, 4.8e12),
    'NVIDIA B200': (2250e12, 8e12),
}
MFU = 0.4


def fastest(device: str, call: Any) -> float:
    """Seconds of the fastest of five calls, after one to warm up."""
    measured: list[tuple[float, float]] = []
    for _ in range(6):
        with metered(device, measured):
            call()
    return min(seconds for seconds, _ in measured[1:])


def peaks(device: str, dtype: torch.dtype) -> tuple[float, float]:
    """FLOP/s and bytes a second."""
    name = device_name(device)
    if name in PEAKS:
        return PEAKS[name]
    size, count = (8192, 2**30) if device == 'cuda' else (512, 2**26)
    square = torch.randn(size, size, device=device, dtype=dtype)
    source = torch.zeros(count, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return (
        2 * size**3 / fastest(device, lambda: square @ square),
        2 * count / fastest(device, lambda: target.copy_(source)),
    )


def bounds(head: VLMHead, tokens: int, answers: int) -> tuple[float, float]:
    """FLOPs of a prefill of ``tokens``, and bytes of a decoding step of ``answers`` behind it."""
    text = head.vlm.model.config.get_text_config()
    layers: list[Tensor] = list(head.vlm.model.model.language_model.layers.parameters())
    words: Tensor = head.vlm.model.get_output_embeddings().weight
    width = text.hidden_size // text.num_attention_heads
    # Two products of T x T / 2 scores in each head.
    attention = 2 * tokens**2 * width * text.num_attention_heads * text.num_hidden_layers
    flops = 2 * tokens * sum(weight.numel() for weight in layers) + attention + 2 * words.numel()
    cache = 2 * (tokens + ANSWER / 2) * text.num_key_value_heads * width * text.num_hidden_layers
    weights = sum(weight.numel() * weight.element_size() for weight in [*layers, words])
    return float(flops), float(weights + answers * cache * words.element_size())


def draw(
    head: VLMHead, speech: EpisodeDataPreprocessor, batch: EpisodeBatch, answers: int, length: int
) -> None:
    """Answers of ``length`` tokens each; vision features are computed where they are not there."""
    generate(
        head.vlm,
        batch,
        stop_id=-1,  # every answer has the same length
        pad_id=int(speech.encoder.tokenizer.pad_token_id),
        forbidden_ids=speech.encoder.forbidden_ids,
        max_new_tokens=length,
        num_generations=answers,
        noise=sampling_noise(range(answers), length),
    )


def measure(
    head: VLMHead, speech: EpisodeDataPreprocessor, batch: EpisodeBatch, answers: int, repeats: int
) -> dict[str, float]:
    """Seconds of the vision tower, of the prefill and of a decoding step, and tokens."""
    device = head.vlm.device.type
    spent: dict[str, list[tuple[float, float]]] = {'vision': [], 'one': [], 'all': []}
    for _ in range(repeats + 1):
        batch.features = None
        with metered(device, spent['vision']):
            head.vlm.image_features(batch)
        for name, length in (('one', 1), ('all', ANSWER)):
            with metered(device, spent[name]):
                draw(head, speech, batch, answers, length)
    median = {name: statistics.median(s for s, _ in measured[1:]) for name, measured in spent.items()}
    step = (median['all'] - median['one']) / (ANSWER - 1)
    prefill = median['one']
    tokens = len(batch.prompt_ids[0])
    return {'tokens': tokens, 'vision': median['vision'], 'prefill': prefill, 'decoding_step': step}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--model', choices=('small', '7b'), default='small')
    parser.add_argument('--num-generations', type=int, default=8)
    parser.add_argument('--repeats', type=int, default=5)
    args = parser.parse_args()
    if args.model == '7b' and not torch.cuda.is_available():
        parser.error('--model 7b needs a GPU')
    device = 'cuda' if args.model == '7b' else 'cpu'
    disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        build_folder(args.model, folder)
        head = build_head(args.model, folder, device).eval()
        speech = EpisodeDataPreprocessor(folder).to(device)
    batch = build_batch(speech, build_images(args.model, 1, False)[0], 1)
    figures: dict[str, Any] = measure(head, speech, batch, args.num_generations, args.repeats)
    flops, size = bounds(head, figures['tokens'], args.num_generations)
    peak, bandwidth = peaks(device, next(head.parameters()).dtype)
    figures['mfu'] = flops / peak / figures['prefill']
    figures['prefill_bound'] = flops / (MFU * peak)
    figures['decoding_step_bound'] = size / bandwidth
    rollout = figures['vision'] + figures['prefill'] + (ANSWER - 1) * figures['decoding_step']
    figures['tokens_per_second'] = args.num_generations * ANSWER / rollout
    print(f'{args.model} model, a prompt of {figures["tokens"]} tokens, {args.num_generations} answers')
    print(f'{device_name(device)}: {peak / 1e12:.2f} TFLOP/s, {bandwidth / 1e9:.0f} GB/s')
    print(f'vision tower {figures["vision"]:.4f} s')
    for name in ('prefill', 'decoding_step'):
        print(f'{name} {figures[name]:.4f} s, bound {figures[f"{name}_bound"]:.4f} s')
    print(f'MFU of the prefill {figures["mfu"]:.2f}; {figures["tokens_per_second"]:.0f} tokens a second')
    print(json.dumps({**figures, 'num_generations': args.num_generations, 'device': device_name(device)}))


if __name__ == '__main__':
    main()
