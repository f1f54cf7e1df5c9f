"""Merge a checkpoint into a folder that plain transformers loads.

python tools/model_converters/to_huggingface.py CONFIG CHECKPOINT FOLDER
"""

import argparse

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.apis.export import check_new, export_huggingface, load_detector
from focus_mmdet.cli import KeyValues, check_folder, read_config, run_cli


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('folder', help='new or empty')
    parser.add_argument('--dtype', choices=['float32', 'bfloat16', 'float16'], help='default: as loaded')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    check_new(args.folder)
    check_folder('folder', args.folder)
    detector = load_detector(read_config(args.config, args.cfg_options), args.checkpoint)
    print(f'wrote {export_huggingface(detector, args.folder, args.dtype)}')


if __name__ == '__main__':
    run_cli(main)
