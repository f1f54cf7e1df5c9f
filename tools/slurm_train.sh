#!/usr/bin/env bash
# [CPUS_PER_TASK=5 SRUN_ARGS=...] bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [GPUS] [train.py options]
# One process a GPU, GPUS_PER_NODE (8, or GPUS where that is less) to a node.
set -euo pipefail
usage="usage: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [GPUS] [train.py options]"
PARTITION=${1:?"$usage"}
JOB_NAME=${2:?"$usage"}
CONFIG=${3:?"$usage"}
WORK_DIR=${4:?"$usage"}
GPUS=${5:-8}
[[ $GPUS =~ ^[1-9][0-9]*$ ]] || { echo "GPUS is '$GPUS'; $usage" >&2; exit 2; }
shift $(($# < 5 ? $# : 5))
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
# SRUN_ARGS holds several words.
# shellcheck disable=SC2086
exec srun --partition="$PARTITION" --job-name="$JOB_NAME" --gres="gpu:$GPUS_PER_NODE" \
    --ntasks="$GPUS" --ntasks-per-node="$GPUS_PER_NODE" --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$(dirname "$0")/train.py" "$CONFIG" --work-dir "$WORK_DIR" --launcher slurm "$@"
