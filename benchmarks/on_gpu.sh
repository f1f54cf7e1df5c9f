#!/usr/bin/env bash
# bash benchmarks/on_gpu.sh [STEP ...] [--rehearse] [--results FOLDER]
# What a GPU shows, in order of what would hurt most; see measure.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
exec "${PYTHON:-python}" benchmarks/measure.py "$@"
