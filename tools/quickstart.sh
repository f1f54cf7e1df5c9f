#!/usr/bin/env bash
# From a fresh clone to a trained, tested and pictured detector on two CPU cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} HF_HUB_OFFLINE=1

bash tools/setup_env.sh
python=.venv/bin/python
stage1=configs/focus_tiny_stage1.py
stage2=configs/focus_tiny_stage2.py
work=work_dirs/quickstart

echo "== 1/3 stage 1: fine-tuning with attention supervision"
"$python" tools/train.py $stage1 --work-dir $work/stage1
echo "== 2/3 stage 2: GRPO with IoU and format rewards"
"$python" tools/train.py $stage2 --work-dir $work/stage2 \
    --cfg-options load_from="$(cat $work/stage1/last_checkpoint)"
echo "== 3/3 test and pictures"
"$python" tools/test.py $stage2 "$(cat $work/stage2/last_checkpoint)" --work-dir $work/test \
    --out $work/predictions.pkl --show-dir $work/pictures
rows=(base=none stage1="$(cat $work/stage1/last_checkpoint)" stage2="$(cat $work/stage2/last_checkpoint)"
    features=configs/feature_matcher_mobilenet_v2.py)
"$python" tools/analysis_tools/compare_checkpoints.py $stage2 --work-dir $work/compare "${rows[@]}" \
    --note "Pictures: $work/pictures
A model of 2.0 million parameters on 8 large objects: this shows that the road works, not how good FOCUS is."
