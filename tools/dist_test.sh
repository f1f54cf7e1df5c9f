#!/usr/bin/env bash
# bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [test.py options]
set -euo pipefail
usage="usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [test.py options]"
CONFIG=${1:?"$usage"}
CHECKPOINT=${2:?"$usage"}
GPUS=${3:?"$usage"}
[[ $GPUS =~ ^([1-9][0-9]*|gpu|auto)$ ]] || { echo "GPUS is '$GPUS'; $usage" >&2; exit 2; }
shift 3
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$GPUS" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
