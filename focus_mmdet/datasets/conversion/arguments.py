"""The command line of the converters."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from focus_mmdet.cli import check_folder
from focus_mmdet.errors import InputError, check_number


def argument_parser(
    description: str, splits: Sequence[str] = (), stride: int | None = None, out: str = '{split}.json'
) -> argparse.ArgumentParser:
    """The options that converters share.

    Args:
        description: The converter's docstring.
        splits: Names that the dataset gives to its parts, the first is the
            default; without them there is no ``--split``.
        stride: Default of ``--stride``; without it there is no such option.
        out: Default of ``--out`` inside the dataset's folder; names options in braces.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path, help='the folder of the dataset')
    if splits:
        parser.add_argument('--split', choices=splits, default=splits[0], help='default: %(default)s')
    if stride is not None:
        parser.add_argument(
            '--stride', type=int, default=stride, help='keep every N-th annotated frame; default: %(default)s'
        )
    shown = out.replace('{', '<').replace('}', '>')
    parser.add_argument('--out', type=Path, help=f'the file to write; default: SOURCE/{shown}')
    parser.set_defaults(out_pattern=out)
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The checked command line.

    Raises:
        InputError: A stride below 1, no such folder, or no place for ``--out``.
    """
    args = parser.parse_args()
    if 'stride' in args:
        check_number('--stride', args.stride, low=1, whole=True)
    require(args.source, 'Give the folder of the dataset')
    if args.source.is_file():
        raise InputError(f'{args.source}: a file; give the folder of the dataset')
    args.out = args.out or args.source / args.out_pattern.format_map(vars(args))
    check_folder('--out', args.out.parent)
    if args.out.is_dir():
        raise InputError(f'--out {args.out}: is a folder; give the name of a file')
    return args


def require(path: Path, expected: str) -> Path:
    """``path``, or :class:`InputError` with what was expected where there is none."""
    if not path.exists():
        raise InputError(f'{path} does not exist. {expected}')
    return path
