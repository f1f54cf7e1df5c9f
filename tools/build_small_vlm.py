"""Write the small VLM that training starts from: pretrained eyes, and a decoder that reads boxes.

python tools/build_small_vlm.py work_dirs/random-small --eyes checkpoints/focus-small \
    --pictures work_dirs/collages/train/pictures
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.datasets.queries import count_pictures, list_queries
from focus_mmdet.engine.practice import FINDING, practise_reading
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.models.sizing.small import build_small_vlm

#: So many pictures say enough about what is alike.
MOST = 2_000


def choose(named: list[str]) -> list[str]:
    """Pictures all over the named ones, at most :data:`MOST`."""
    found = list_queries(named)
    if count_pictures(found) is None:
        raise InputError(
            '--pictures: there are videos among them. Name pictures, or folders of pictures alone'
        )
    return [found[index] for index in np.linspace(0, len(found) - 1, min(MOST, len(found))).astype(int)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--eyes', type=Path, required=True, help='folder of a MobileNetV2 or a small model')
    parser.add_argument(
        '--pictures', nargs='+', required=True, help='of anything, or folders of them; 2,000 are read'
    )
    parser.add_argument('--width', type=int, default=128, help='hidden size of the language model')
    parser.add_argument('--layers', type=int, default=6, help='layers of the language model')
    parser.add_argument('--practice', type=int, default=600, help='steps of reading boxes, a second each')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    check_number('--practice', args.practice, low=0, whole=True)
    check_number('--width', args.width, low=32, whole=True)
    check_number('--layers', args.layers, low=FINDING + 1, whole=True)
    check_folder('folder', args.folder)

    def teach(model: Any, tokenizer: Any, numbers: list[int], seen: Tensor) -> None:
        masses = practise_reading(model, tokenizer, numbers, seen, args.practice)
        if args.practice:
            read, found = (np.mean(masses[name][-20:]) for name in ('read', 'found'))
            print(f'attention of boxes on what lies in them: {read:.2f}, of answers on its like: {found:.2f}')

    build_small_vlm(args.folder, args.eyes, choose(args.pictures), args.width, args.layers, args.seed, teach)
    print(f'wrote {args.folder}')


if __name__ == '__main__':
    run_cli(main)
