"""Write a tiny VLM with random weights, in the layout of a published one.

python tools/build_tiny_vlm.py work_dirs/random-tiny
"""

import argparse
from pathlib import Path

from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.models.sizing.tiny import TINY_FAMILIES, build_tiny_vlm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--family', choices=TINY_FAMILIES, default='qwen3_vl')
    parser.add_argument('--width', type=int, default=128, help='hidden size of the language model')
    parser.add_argument('--layers', type=int, default=4, help='layers of the language model')
    parser.add_argument('--vision', type=int, default=96, help='hidden size of the vision tower')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    check_folder('folder', args.folder)
    build_tiny_vlm(**vars(args))
    print(f'wrote {args.folder}')


if __name__ == '__main__':
    run_cli(main)
