#!/usr/bin/env bash
# Make .venv with the pinned dependencies; goes on where it was interrupted, does nothing where it is up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stamp=.venv/focus_mmdet.installed
wanted=$(cat constraints.txt setup.py | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    echo "environment: .venv is up to date"
    exit 0
fi

python=${PYTHON:-}
for candidate in python3.11 python3.12 python3; do
    [ -n "$python" ] || { command -v "$candidate" >/dev/null && python=$candidate; } || true
done
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "error: Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11" >&2
    exit 2
fi

# A .venv of this Python, with pip, that was never finished.
half_made() {
    local version='import sys; print(sys.version_info[:2])'
    [ ! -f "$stamp" ] && .venv/bin/python -c 'import pip' &&
        [ "$(.venv/bin/python -c "$version")" = "$("$python" -c "$version")" ]
}

echo "environment: installing into .venv: some minutes, 2 GB (with CUDA several GB more)"
if [ -n "${PIP_EXTRA_INDEX_URL:-}" ]; then
    # pip asks it for every package; its five retries of each take many silent minutes where it is out of reach.
    export PIP_RETRIES=${PIP_RETRIES:-1} PIP_DEFAULT_TIMEOUT=${PIP_DEFAULT_TIMEOUT:-15}
    echo "environment: pip also asks PIP_EXTRA_INDEX_URL. If it cannot be reached: unset PIP_EXTRA_INDEX_URL"
    echo "             and start again; torch then comes from the usual index, by default with CUDA"
fi
if half_made 2>/dev/null; then
    echo "environment: going on with the unfinished .venv; delete it to begin anew"
elif ! "$python" -m venv --clear .venv; then
    echo "error: cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 2
fi
.venv/bin/python -m pip install -c constraints.txt setuptools
.venv/bin/python -m pip install -c constraints.txt --no-build-isolation -e '.[lite,trl,converters,monitoring,page,dev]'
if ! .venv/bin/python -c 'import cv2' 2>/dev/null; then
    # A bare machine has no libGL; the headless build of the same version needs none.
    version=$(sed -n 's/^opencv-python==//p' constraints.txt)
    .venv/bin/python -m pip uninstall -y opencv-python
    .venv/bin/python -m pip install --no-deps --force-reinstall "opencv-python-headless==$version"
fi
echo "$wanted" > "$stamp"
