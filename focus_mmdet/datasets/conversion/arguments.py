"""The command line of the converters."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from focus_mmdet.cli import check_folder
from focus_mmdet.errors import InputError, check_number


def argument_parser(
    description: str,
    splits: Sequence[str] = (),
    stride: int | None = None,
    out: str = '{split}.json',
    source: str = 'the folder of the dataset',
) -> argparse.ArgumentParser:
    """The options that converters share.

    Args:
        description: The converter's docstring.
        splits: Names that the dataset gives to its parts, the first is the
            default; without them there is no ``--split``.
        stride: Default of ``--stride``; without it there is no such option.
        out: Default of ``--out`` inside the dataset's folder; names options in braces.
        source: What is converted.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path, help=source)
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


def parse(
    parser: argparse.ArgumentParser, layout: Callable[[Path], tuple[Path, str]] | None = None
) -> argparse.Namespace:
    """The checked command line.

    Args:
        parser: Of :func:`argument_parser`.
        layout: Folder and split of an annotation file, where such a file may be given in place of
            the folder; it is then ``file``, which else is None.

    Raises:
        InputError: A stride below 1, no such folder, a split beside a file, or no place for ``--out``.
    """
    args = parser.parse_args()
    if 'stride' in args:
        check_number('--stride', args.stride, low=1, whole=True)
    require(args.source, 'Give the folder of the dataset')
    args.file = args.source if args.source.is_file() else None
    if args.file and not layout:
        raise InputError(f'{args.file}: a file; give the folder of the dataset')
    if args.file and layout:
        if args.split != parser.get_default('split'):
            raise InputError(
                f'--split {args.split}: {args.file} is a file, which is one split; leave --split out'
            )
        args.source, args.split = layout(args.file)
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
