"""What the vision towers' patch embedding costs as a 3-D convolution and as the equal matrix product.

    python benchmarks/patch_embedding.py     # on a GPU in bfloat16 where there is one, else the CPU

Its kernel is as large as its stride, so each patch is one row of a matrix. The
patches are those of a 4-shot episode at the 7B recipe's budget of pixels, the
sizes the published ones, weights random. The table has median milliseconds of
a forward pass; on a GPU also the tower's, which it is a part of. The last line
is JSON.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from typing import Any

import torch
from metering import device_name, metered
from torch import Tensor, nn
from torch.nn.functional import linear

import focus_mmdet  # noqa: F401  loads mmdet with its stand-in
from focus_mmdet.models.sizing.dry_run import dry_head
from focus_mmdet.models.sizing.published_sizes import published_config

IMAGES, PIXELS = 5, 276480
MODELS = ('Qwen2-VL-7B-Instruct', 'Qwen2.5-VL-7B-Instruct', 'Qwen3-VL-8B-Instruct')


def vision_tower(config: Any, device: str, dtype: str) -> nn.Module:
    """With random weights."""
    tower = dry_head(config).vlm.model.model.visual.to(getattr(torch, dtype))
    if device == 'cpu':
        tower = nn.ModuleDict({'patch_embed': tower.get_submodule('patch_embed')})
    tower = tower.to_empty(device=device).eval()
    for tensor in [*tower.parameters(), *tower.buffers()]:
        tensor.data.normal_(std=0.02)
    return tower


def patches(vision: Any, device: str, dtype: str) -> tuple[Tensor, Tensor]:
    """Random patches (P, channels * time * height * width), and their grid (images, 3)."""
    merge = vision.spatial_merge_size
    side = int((PIXELS / vision.patch_size**2) ** 0.5) // merge * merge
    width = 3 * vision.temporal_patch_size * vision.patch_size**2
    pixels = torch.randn(IMAGES * side**2, width, device=device, dtype=getattr(torch, dtype))
    return pixels, torch.tensor([[1, side, side]] * IMAGES, device=device)


def milliseconds(call: Callable[[], Any], repeats: int, device: str) -> float:
    """Median, after one call to warm up."""
    measured: list[tuple[float, float]] = []
    for _ in range(repeats + 1):
        with metered(device, measured):
            call()
    return 1000 * statistics.median(seconds for seconds, _ in measured[1:])


@torch.no_grad()
def measure(name: str, device: str, dtype: str, repeats: int) -> dict[str, float]:
    """Milliseconds of the convolution, the product and, on a GPU, the tower; how far the first two differ."""
    config = published_config(name)
    tower = vision_tower(config, device, dtype)
    pixels, grid = patches(config.vision_config, device, dtype)
    convolution: Any = tower.get_submodule('patch_embed')
    weight, bias = convolution.proj.weight.flatten(1), convolution.proj.bias
    result, expected = linear(pixels, weight, bias), convolution(pixels)
    row = {
        'convolution': milliseconds(lambda: convolution(pixels), repeats, device),
        'product': milliseconds(lambda: linear(pixels, weight, bias), repeats, device),
        'difference': float((result - expected).abs().max() / expected.abs().max()),
    }
    if device == 'cuda':
        row['tower'] = milliseconds(lambda: tower(pixels, grid_thw=grid), repeats, device)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--models', nargs='+', choices=MODELS, default=MODELS)
    parser.add_argument('--repeats', type=int, default=10)
    args = parser.parse_args()
    device, dtype = ('cuda', 'bfloat16') if torch.cuda.is_available() else ('cpu', 'float32')
    name = device_name(device)
    print(f'{IMAGES} images of {PIXELS} pixels, {dtype}, {name}; milliseconds')
    print(f'{"":<24}{"convolution":>13}{"product":>9}{"ratio":>8}{"difference":>12}{"tower":>9}')
    figures: dict[str, Any] = {}
    for model in args.models:
        row = measure(model, device, dtype, args.repeats)
        figures[model] = {**row, 'ratio': round(row['convolution'] / row['product'], 3)}
        print(
            f'{model:<24}{row["convolution"]:>13.2f}{row["product"]:>9.2f}{figures[model]["ratio"]:>8.2f}'
            f'{row["difference"]:>12.1e}' + (f'{row["tower"]:>9.1f}' if 'tower' in row else f'{"-":>9}'),
            flush=True,
        )
    print(json.dumps({**figures, 'device': name}))


if __name__ == '__main__':
    main()
