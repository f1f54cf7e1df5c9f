"""Find the object of some pictures in other pictures.

    python tools/locate.py --support a.jpg:12,40,200,310 --query photos clip.mp4 --out-dir out --format html

A support is a picture and the object's box in it, x1,y1,x2,y2 in pixels. Give --support once for each
object. A frame of a video is clip.mp4#120, counted from 0 as it plays (the video is read from its
beginning). A query is a picture, a frame, a video, of which each --every-th frame is asked, a folder, which
stands for all pictures and videos in it and below, or a pattern such as 'photos/**/*.jpg'.
What may be mistaken for the object is shown like it, by --not-this: where it is surer to be, the answer is
that the object is absent.
Small objects in large pictures are found by --tiles 640, which looks into every part of a picture in full
resolution, and takes several times as long.
Without --config and --checkpoint: the small model that is shipped.

Each answer is a line of JSON on stdout. A query that cannot be read is left out, and named at the end.
Exit status: 0; 3 where some queries could not be read; 2 where none could, or the call is wrong; 130 after
Ctrl-C, which keeps what was found until then.
"""

import sys

if __name__ == '__main__' and sys.stderr.isatty():
    # Ahead of imports that take seconds.
    print('loading the model ...', file=sys.stderr, flush=True)

import argparse
import json
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
from mmengine.logging import MMLogger
from transformers.utils.logging import disable_progress_bar

from focus_mmdet.apis import InContextInferencer, Reference
from focus_mmdet.apis.answers.zoom import check_tiles
from focus_mmdet.apis.command_line import folder, load_inferencer, parse_support
from focus_mmdet.apis.inputs.images import Support
from focus_mmdet.apis.inputs.reference import named_apart
from focus_mmdet.cli import KeyValues, check_folder, run_cli
from focus_mmdet.datasets.queries import count_pictures, list_queries
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.progress import Progress
from focus_mmdet.results import FORMATS, Located, ResultFiles
from focus_mmdet.results.query_images import safe_name, save_answer
from focus_mmdet.shipped import READY

SOME_UNREAD = 3


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--config', default=READY)
    parser.add_argument('--checkpoint', help="checkpoint file, or 'none' for the pretrained model as it is")
    parser.add_argument('--support', nargs='+', action='append', default=[], metavar='PICTURE:x1,y1,x2,y2')
    parser.add_argument('--not-this', nargs='+', action='append', default=[], metavar='PICTURE:x1,y1,x2,y2')
    parser.add_argument('--name', nargs='+', default=[], help='of each --support; default: its first file')
    parser.add_argument('--reference', nargs='+', default=[], metavar='FILE', help='objects saved before')
    parser.add_argument(
        '--keep',
        action='store_true',
        help='keep what a VLM makes of each --reference in FILE.known, for the next time',
    )
    parser.add_argument(
        '--remember', metavar='FILE.focus', help='save the object of --support for --reference'
    )
    parser.add_argument('--query', nargs='+', default=[], metavar='PICTURE')
    parser.add_argument(
        '--every',
        type=int,
        default=30,
        metavar='N',
        help='ask each N-th frame of a video; default: %(default)s',
    )
    parser.add_argument(
        '--out-dir', type=folder, help='for a picture of each answer, and the files of --format'
    )
    parser.add_argument('--format', nargs='+', choices=FORMATS, default=[], metavar='FORMAT', help=_formats())
    parser.add_argument('--no-pictures', action='store_true', help='draw no picture of each answer: faster')
    parser.add_argument(
        '--score-thr', type=float, default=0.0, help='leave out boxes below this score; default: %(default)s'
    )
    parser.add_argument(
        '--tiles',
        type=int,
        default=0,
        metavar='SIDE',
        help='for small objects: look into square tiles of so many pixels a side, too; 0, the default: none',
    )
    parser.add_argument('--zoom', action='store_true', help='look again, closer, where the object was found')
    parser.add_argument(
        '--batch-size',
        type=int,
        default=1,
        help='queries, or tiles, at a time; more are faster; default: %(default)s',
    )
    parser.add_argument('--device')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    return parser.parse_args()


def _formats() -> str:
    return f'also write one or more of {", ".join(f"{name} ({file})" for name, file in FORMATS.items())}'


def check_args(args: argparse.Namespace) -> None:
    """Raise :class:`InputError` for what does not go together, before anything is loaded."""
    check_number('--every', args.every, low=1, whole=True)
    check_number('--batch-size', args.batch_size, low=1, whole=True)
    check_number('--score-thr', args.score_thr, low=0, high=1)
    check_tiles('--tiles', args.tiles)
    if not args.support and not args.reference:
        raise InputError('give --support PICTURE:x1,y1,x2,y2, or --reference FILE')
    if not args.query and not args.remember:
        raise InputError('give --query')
    if args.keep and not args.reference:
        raise InputError('--keep: goes with --reference; save the object by --remember first')
    if args.remember and len(args.support) != 1:
        raise InputError(f'--remember {args.remember}: goes with one --support')
    if args.name and len(args.name) != len(args.support):
        raise InputError(
            f'--name {" ".join(args.name)}: give a name for each of {len(args.support)} --support'
        )
    if args.query and not args.out_dir and (args.format or not args.no_pictures):
        raise InputError('give --out-dir, or --no-pictures without --format')
    check_folder('--out-dir', args.out_dir)
    if args.remember and not (folder := Path(args.remember).parent).is_dir():
        raise InputError(
            f'--remember {args.remember}: there is no folder {folder}. Make it, or choose another'
        )
    check_folder('--remember', args.remember and Path(args.remember).parent)


def check_objects(args: argparse.Namespace) -> None:
    """Read what is to be found once, before the model is loaded, which may take minutes.

    Raises:
        InputError: An image cannot be read, a box is wrong, a file is no reference, or two have one name.
    """
    shown = [Reference.of(supports, name) for supports, name in supports_and_names(args)]
    for supports in not_this(args):
        Reference.of(supports)
    named_apart(
        [*shown, *map(Reference.load, args.reference)],
        'give what you show another --name, or make one of the references anew, with another name '
        '(--remember, --name)',
    )


def supports_and_names(args: argparse.Namespace) -> Iterator[tuple[list[Support], str | None]]:
    """Of each ``--support``."""
    for texts, name in zip(args.support, args.name or [None] * len(args.support), strict=True):
        yield [parse_support(text) for text in texts], name


def not_this(args: argparse.Namespace) -> list[list[Support]]:
    """Of each ``--not-this``."""
    return [[parse_support(text, '--not-this') for text in texts] for texts in args.not_this]


def search(
    find: InContextInferencer, known: list[Reference], queries: list[str], args: argparse.Namespace
) -> None:
    """Ask, print and write.

    Raises:
        InputError: Not one query could be answered.
        KeyboardInterrupt: It says how many pictures were searched; what was found in them is written.
    """
    total = count_pictures(queries)
    told = Progress(total, 'pictures', only_on_terminals=True)
    files = ResultFiles(args.out_dir or '.', args.format, total)
    likely: dict[str, list[bool]] = {reference.name: [] for reference in known}
    try:
        with files, finishing(told):
            for located in answers(find, known, queries, args, told):
                files.write(located)
                likely[located.reference].append(located.is_likely)
    except KeyboardInterrupt:
        tell_found(likely, files)
        raise KeyboardInterrupt(f'after {told}') from None
    tell_found(likely, files)


def answers(
    find: InContextInferencer,
    known: list[Reference],
    queries: list[str],
    args: argparse.Namespace,
    told: Progress,
) -> Iterator[Located]:
    """What is found, printed; ``told`` counts the pictures."""
    asked: set[str] = set()
    unread = 0
    stream = find.stream(
        queries,
        known,
        not_this=[find.remember(supports) for supports in not_this(args)],
        batch_size=args.batch_size,
        picture=not args.no_pictures,
        every=args.every,
        tiles=args.tiles,
        zoom=args.zoom,
        warn=False,
    )
    # Closed, it gives up what was to be read next.
    with closing(stream) as found:
        for number, located in enumerate(found):
            located = located.at_least(args.score_thr)
            told.clear()
            print(json.dumps({**located.record(), **draw(located, number, args.out_dir)}), flush=True)
            yield located
            asked.add(located.query if located.frame is None else f'{located.query}#{located.frame}')
            asked.update(name for name, _ in find.unread[unread:])
            unread = len(find.unread)
            told.update(len(asked) - told.done)


@contextmanager
def finishing(told: Progress) -> Iterator[None]:
    """Say at once that Ctrl-C was heard: what was found is yet to be written."""
    try:
        yield
    except BaseException as error:
        told.close()
        if isinstance(error, KeyboardInterrupt):
            print('finishing ...', file=sys.stderr, flush=True)
        raise
    told.close()


def tell_found(likely: dict[str, list[bool]], files: ResultFiles) -> None:
    """Count in how many of its answers each object is likely there, and name the files that were written."""
    for name, told in likely.items():
        print(f'{name}: likely in {sum(told)} of {len(told)} pictures', file=sys.stderr)
    for file in files.files:
        print(f'wrote {file}', file=sys.stderr)


def draw(located: Located, number: int, folder: Path) -> dict[str, str]:
    """Write the picture of an answer, if there is one, and say where."""
    if located.picture is None:
        return {}
    frame = '' if located.frame is None else f'_{located.frame:06d}'
    path = folder / f'{safe_name(number, located.query)}{frame}.png'
    save_answer(located.picture, path)
    return {'picture': str(path)}


def tell(unread: list[tuple[str, str]]) -> None:
    """Name the queries that were left out, and why."""
    for name, reason in unread:
        print(f'not answered: {reason if name in reason else f"{name}: {reason}"}', file=sys.stderr)


def only_json_on_stdout() -> None:
    """Let MMEngine's log go to stderr."""
    for handler in MMLogger.get_current_instance().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)


def main() -> None:
    args = parse_args()
    check_args(args)
    only_json_on_stdout()
    queries = list_queries(args.query, args.out_dir)
    check_objects(args)
    if args.format:
        ResultFiles(args.out_dir, args.format).check()
    disable_progress_bar()
    # What it tells of broken files, we tell.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    find = load_inferencer(args)
    known = [find.remember(*shown) for shown in supports_and_names(args)]
    if args.remember:
        known[0].save(args.remember)
        print(f'wrote {args.remember}', file=sys.stderr)
    if not queries:
        return
    try:
        search(find, known + [find.recall(file, args.keep) for file in args.reference], queries, args)
    except InputError:
        tell(find.unread[1:])  # The error is about the first.
        raise
    except KeyboardInterrupt:
        tell(find.unread)
        raise
    tell(find.unread)
    sys.exit(SOME_UNREAD if find.unread else 0)


if __name__ == '__main__':
    run_cli(main)
