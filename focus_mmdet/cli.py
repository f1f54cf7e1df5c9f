"""How the command-line tools end."""

import sys
from collections.abc import Callable

from focus_mmdet.errors import InputError


def run_cli(main: Callable[[], None]) -> None:
    """Run a tool; bad input prints one message and exits with status 2.

    Ctrl-C exits with 130, as shells expect.
    """
    try:
        main()
    except KeyboardInterrupt:
        print('interrupted; tools/train.py --resume continues from the last checkpoint', file=sys.stderr)
        sys.exit(130)
    except InputError as error:
        # A data worker wraps the message into its own traceback.
        message = str(error).rsplit('InputError: ', 1)[-1].strip()
        print(f'error: {message}', file=sys.stderr)
        sys.exit(2)
