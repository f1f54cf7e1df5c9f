"""Run a script with focus_mmdet imported before it.

    python -m focus_mmdet path/to/mmdetection/tools/test.py CONFIG CHECKPOINT ...

is ``python path/to/mmdetection/tools/test.py CONFIG CHECKPOINT ...`` where mmcv-lite is
installed: the script finds the operators' stand-in, and configs may inherit from focus_mmdet::.
"""

import runpy
import sys
from pathlib import Path


def run_script(script: str, arguments: list[str]) -> None:
    """Do what ``python script arguments`` would."""
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).resolve().parent)
    runpy.run_path(script, run_name='__main__')


def main() -> None:
    """The command line of ``python -m focus_mmdet``."""
    if len(sys.argv) < 2 or sys.argv[1] in ('-h', '--help'):
        print(__doc__)
        sys.exit(0 if len(sys.argv) > 1 else 2)
    script, *arguments = sys.argv[1:]
    if not Path(script).is_file():
        print(f'error: {script}: no such script', file=sys.stderr)
        sys.exit(2)
    run_script(script, arguments)


if __name__ == '__main__':
    main()
