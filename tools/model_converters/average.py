"""Average checkpoints of one model that were trained apart: often better than each of them.

    python tools/model_converters/average.py a.pth b.pth c.pth --out work_dirs/mean.pth

It takes runs that began with the same weights, or with each other's (a model soup, Wortsman et al., 2022).
The result has weights alone: begin with it (load_from), test or export it; it cannot be resumed.
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.engine.checkpoints.atomic_backend import AtomicLocalBackend
from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from focus_mmdet.errors import InputError


def read_weights(path: str) -> dict[str, Tensor]:
    """The weights of a checkpoint.

    Raises:
        InputError: Not a checkpoint of ``tools/train.py``, one of adapters, or a weight is not finite.
    """
    weights: dict[str, Tensor] = load_local_checkpoint(path).get('state_dict', {})
    if not weights:
        raise InputError(f'{path}: not a checkpoint written by tools/train.py')
    if adapter := next((name for name in weights if 'lora_' in name), None):
        raise InputError(
            f'{path}: {adapter} is a factor of an adapter, and products are not averaged by their factors. '
            'Average models that were trained whole (model.bbox_head.lora=None)'
        )
    if broken := next((name for name, weight in weights.items() if not weight.isfinite().all()), None):
        raise InputError(f'{path}: {broken} is not finite everywhere. Leave this checkpoint out')
    return weights


def average(paths: Sequence[str]) -> dict[str, Tensor]:
    """The mean weights, each in the type that the first checkpoint has it in.

    Raises:
        InputError: They are not of one model; the message names the file and the weight.
    """
    first = read_weights(paths[0])
    sums = {name: weight.double() for name, weight in first.items()}
    for path in paths[1:]:
        weights = read_weights(path)
        if odd := sorted(first.keys() ^ weights.keys()):
            raise InputError(f'{path}: another model than {paths[0]}: {odd[0]} is in one of them only')
        for name, weight in weights.items():
            if weight.shape != first[name].shape:
                raise InputError(
                    f'{path}: {name} is {tuple(weight.shape)}, in {paths[0]} {tuple(first[name].shape)}'
                )
            sums[name] += weight
    return {name: (total / len(paths)).to(first[name].dtype) for name, total in sums.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('checkpoints', nargs='+', help='two or more, of one model')
    parser.add_argument('--out', type=Path, required=True, help='file to write, new')
    args = parser.parse_args()
    if len(args.checkpoints) < 2:
        raise InputError(f'{args.checkpoints[0]}: one checkpoint is its own average; name two or more')
    check_folder('--out', args.out.absolute().parent)
    if args.out.exists():
        raise InputError(f'--out {args.out}: exists; choose another file, or remove it')
    buffer = io.BytesIO()
    torch.save({'state_dict': average(args.checkpoints)}, buffer)
    AtomicLocalBackend().put(buffer.getvalue(), args.out)
    print(f'wrote {args.out}, the average of {len(args.checkpoints)}')


if __name__ == '__main__':
    run_cli(main)
