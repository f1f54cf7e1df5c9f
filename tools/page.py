"""Open a page in the browser: draw a box round an object, search pictures for it.

    python tools/page.py --root ~/Pictures

The page is served to this machine alone, until Ctrl-C. Without --config and --checkpoint: the
small model that is shipped. Needs the extra: pip install 'focus_mmdet[page]'.
"""

import argparse
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

from focus_mmdet.apis.command_line import load_inferencer
from focus_mmdet.cli import KeyValues, run_cli
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.shipped import READY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--config', default=READY)
    parser.add_argument('--checkpoint', help="checkpoint file, or 'none' for the pretrained model as it is")
    parser.add_argument('--root', type=Path, help='a folder whose pictures can be searched where they are')
    parser.add_argument('--port', type=int, default=8000, help='0 for a free one; default: %(default)s')
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to serve it on; on any other than %(default)s, whoever reaches it\n'
        'may search and see what is in --root',
    )
    parser.add_argument(
        '--allow-host',
        nargs='+',
        default=[],
        metavar='NAME',
        help='further names of this machine in browsers',
    )
    parser.add_argument(
        '--max-upload', type=int, default=100, metavar='MB', help='of one file; default: %(default)s'
    )
    parser.add_argument(
        '--max-megapixels', type=int, default=100, metavar='N', help='of one picture; default: %(default)s'
    )
    parser.add_argument('--device')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    disable_progress_bar()
    check_number('--port', args.port, low=0, high=65535)
    check_number('--max-upload', args.max_upload, low=1)
    check_number('--max-megapixels', args.max_megapixels, low=1)
    if args.root is not None and not args.root.is_dir():
        raise InputError(f'--root {args.root}: no such folder')

    try:
        from focus_mmdet.page.finder import Finder
        from focus_mmdet.page.limits import Limits
        from focus_mmdet.page.security import allowed_hosts
        from focus_mmdet.page.server import address, create_app, listen, server
    except ModuleNotFoundError as error:
        raise InputError(f"{error}: pip install 'focus_mmdet[page]'") from error

    listening = listen(args.host, args.port)
    finder = Finder(load_inferencer(args))
    limits = Limits(upload=args.max_upload * 10**6, pixels=args.max_megapixels * 10**6)
    app = create_app(finder, args.root, limits, allowed_hosts(args.host, args.allow_host))
    print(f'The page is at {address(listening)} until Ctrl-C', flush=True)
    server(app).run(sockets=[listening])


if __name__ == '__main__':
    run_cli(main)
