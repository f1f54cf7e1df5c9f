#!/usr/bin/env bash
# bash tools/dist_train.sh CONFIG GPUS [train.py options]
# Asked to stop, processes have STOP_SECONDS (600) to finish a step and save.
set -euo pipefail
usage="usage: bash tools/dist_train.sh CONFIG GPUS [train.py options]"
CONFIG=${1:?"$usage"}
GPUS=${2:?"$usage"}
[[ $GPUS =~ ^([1-9][0-9]*|gpu|auto)$ ]] || { echo "GPUS is '$GPUS'; $usage" >&2; exit 2; }
shift 2
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT="${STOP_SECONDS:-600}"
exec "${PYTHON:-python}" "$(dirname "$0")/dist_launch.py" \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$GPUS" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "$@"
