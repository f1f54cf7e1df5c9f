#!/usr/bin/env bash
# From a fresh clone to a trained, tested and pictured detector on two CPU cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} HF_HUB_OFFLINE=1

bash tools/setup_env.sh
python=.venv/bin/python
stage1=configs/quickstart/quickstart_stage1.py
stage2=configs/quickstart/quickstart_stage2.py
work=work_dirs/quickstart

echo "== 1/4 pictures: objects of the shipped photographs and drawings, in collages"
# annotations, drawings, pictures, seed
make() {
    "$python" tools/dataset_converters/collages.py "data/realset/$1.json" --cutouts "data/sprites/$2" \
        --out "$work/collages/$2" --pictures "$3" --seed "$4" --smallest 0.23 --most-objects 4
}
make fit train 2000 1
make val val 100 2
make test test 200 3
echo "== 2/4 stage 1: fine-tuning with attention supervision"
"$python" tools/train.py $stage1 --work-dir $work/stage1
echo "== 3/4 stage 2: GRPO with IoU and format rewards"
"$python" tools/train.py $stage2 --work-dir $work/stage2 \
    --cfg-options load_from="$(cat $work/stage1/last_checkpoint)"
echo "== 4/4 test and pictures"
"$python" tools/test.py $stage2 "$(cat $work/stage2/last_checkpoint)" --work-dir $work/test \
    --out $work/predictions.pkl --show-dir $work/pictures
rows=(base=none stage1="$(cat $work/stage1/last_checkpoint)" stage2="$(cat $work/stage2/last_checkpoint)"
    elected=configs/quickstart/quickstart_elected.py features=configs/quickstart/feature_matcher_quickstart.py)
"$python" tools/analysis_tools/compare_checkpoints.py $stage2 --work-dir $work/compare "${rows[@]}" \
    --note "Pictures: $work/pictures
Minutes of training, one seed, 8 objects: the shipped small model took hours (docs/small_model.md)."
