"""Write the small VLM that training starts from: pretrained eyes, and a decoder that reads boxes.

python tools/build_small_vlm.py work_dirs/random-small --eyes checkpoints/mobilenet-v2
"""

import argparse
from pathlib import Path
from typing import Any

from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.engine.reading_practice import ANSWERING, practise_reading
from focus_mmdet.errors import check_number
from focus_mmdet.models.sizing.small import build_small_vlm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--eyes', type=Path, required=True, help='folder of a MobileNetV2')
    parser.add_argument('--width', type=int, default=128, help='hidden size of the language model')
    parser.add_argument('--layers', type=int, default=6, help='layers of the language model')
    parser.add_argument(
        '--practice', type=int, default=400, help='steps of reading boxes, half a second each'
    )
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    check_number('--practice', args.practice, low=0, whole=True)
    check_number('--width', args.width, low=32, whole=True)
    check_number('--layers', args.layers, low=ANSWERING + 1, whole=True)
    check_folder('folder', args.folder)

    def teach(model: Any, tokenizer: Any, numbers: list[int]) -> None:
        masses = practise_reading(model, tokenizer, numbers, args.practice)
        if masses:
            print(f'attention of the last boxes on what lies in them: {masses[-1]:.2f}')

    build_small_vlm(args.folder, args.eyes, args.width, args.layers, args.seed, teach)
    print(f'wrote {args.folder}')


if __name__ == '__main__':
    run_cli(main)
