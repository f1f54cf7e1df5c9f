"""The speed that a run logs, and whether its FLOPs are right."""

import json
from pathlib import Path

import pytest
from mmengine.runner import Runner
from torch.utils.flop_counter import FlopCounterMode

from focus_mmdet.engine.hooks.throughput import (
    ThroughputHook,
    flops_per_token,
    pixel_values,
    vision_flops_per_value,
)
from focus_mmdet.errors import InputError
from focus_mmdet.models.sizing.dry_run import DryRun, dry_episodes, dry_head
from focus_mmdet.models.sizing.published_sizes import published_config


def logged(work_dir: str) -> list[dict]:
    lines = next(Path(work_dir).rglob('scalars.json')).read_text().splitlines()
    return [json.loads(line) for line in lines if 'loss_lm' in line]


def test_speed_is_logged_with_the_loss(make_config):
    config = make_config(1, 'fast', **{'train_cfg.effective_batch': 4})
    config.custom_hooks.append(dict(type='ThroughputHook', peak_tflops=10.0))
    runner = Runner.from_cfg(config)
    runner.train()
    (hook,) = [hook for hook in runner.hooks if isinstance(hook, ThroughputHook)]
    assert hook._counted[2] == 4, 'episodes of all batches of a step'
    for line in logged(config.work_dir):
        assert line['tokens_per_second'] > line['episodes_per_second'] > 0
        assert line['mfu'] == pytest.approx(line['tflops'] / 10, rel=1e-3)


def test_stage_2_is_refused(make_config):
    config = make_config(2, 'second')
    config.custom_hooks.append(dict(type='ThroughputHook'))
    with pytest.raises(InputError, match='GRPOTrainLoop logs'):
        Runner.from_cfg(config).train()


@pytest.mark.parametrize('name', ['Qwen2-VL-7B-Instruct', 'Qwen3-VL-8B-Instruct'])
def test_flops_are_those_of_the_matrix_products(name):
    head = dry_head(published_config(name), dtype='bfloat16', lora=dict(r=8)).train()
    batch = dry_episodes(head.vlm.family, 1, shots=4, size=(700, 392), text=40, answer=25)
    with DryRun(), FlopCounterMode(display=False) as counter:
        head.loss(batch, pad_id=0)['loss_lm'].backward()
    batch.features = None
    with DryRun():
        vision = pixel_values(batch) * vision_flops_per_value(head, batch)
    tokens = len(batch.prompt_ids[0]) + len(batch.answer_ids[0])
    estimated = tokens * flops_per_token(head) + vision
    assert estimated / counter.get_total_flops() == pytest.approx(1, abs=0.1)
