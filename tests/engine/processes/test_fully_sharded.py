"""Sharded over two processes, a run is what it is under DDP."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from tests.engine.test_training import LORA, SGD, assert_equal_weights, trained_weights
from tests.forked_run import finish, last_words, start

SHARDED = {'model_wrapper_cfg': dict(type='FullyShardedModel')}
KEEP = {'model_wrapper_cfg': dict(type='FullyShardedModel', reshard_after_forward=False)}
ADAPTERS = {
    'model.bbox_head.lora': LORA,
    'model.bbox_head.freeze_vision': True,
    'model.bbox_head.gradient_checkpointing': True,
}
HALF = {**ADAPTERS, 'model.bbox_head.dtype': 'bfloat16'}
PENALIZED = {'optim_wrapper.optimizer': SGD, 'train_cfg.beta': 0.1, 'param_scheduler': []}


@pytest.fixture
def train(write_config, tmp_path):
    def run(name: str, stage: int, max_iters: int, *more: str, **options) -> Path:
        config = write_config(stage, max_iters, **options)
        log = tmp_path / f'{name}.log'
        runs = start([config, '--work-dir', str(tmp_path / name), *more], log, processes=2)
        assert finish(runs) == [0, 0], last_words(log)
        return tmp_path / name

    return run


def last_log(folder: Path) -> dict:
    return json.loads(next(folder.rglob('scalars.json')).read_text().splitlines()[-1])


@pytest.mark.parametrize(
    ('stage', 'wrapper', 'options'),
    [(1, SHARDED, {}), (1, KEEP, HALF), (2, SHARDED, {**ADAPTERS, **PENALIZED}), (2, KEEP, PENALIZED)],
    ids=['stage1', 'stage1-lora-kept', 'stage2-lora', 'stage2-kept'],
)
def test_sharding_changes_nothing(train, stage, wrapper, options):
    whole, sharded = train('ddp', stage, 3, **options), train('sharded', stage, 3, **options, **wrapper)
    first, second = (load_local_checkpoint(f'{folder}/iter_3.pth') for folder in (whole, sharded))
    assert first['state_dict'].keys() == second['state_dict'].keys()
    torch.testing.assert_close(second['state_dict'], first['state_dict'], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        second['optimizer']['state'], first['optimizer']['state'], rtol=1e-3, atol=1e-6
    )
    logs = [last_log(folder) for folder in (whole, sharded)]
    same = {1: ['loss_lm', 'loss_attention', 'attention_mass'], 2: ['loss_policy', 'kl', 'reward']}[stage]
    for name in [*same, 'grad_norm']:
        assert logs[1][name] == pytest.approx(logs[0][name], rel=1e-3, abs=1e-6), name
    assert stage == 1 or logs[0]['kl'] > 1e-7


def test_no_process_waits_for_image_shapes_that_another_has(train, vlm_folder, tmp_path):
    """FastVLM's tower runs once for each shape of a batch, of which each process has others."""
    folder = shutil.copytree(vlm_folder('fast_vlm'), tmp_path / 'as_they_come')
    file = folder / 'preprocessor_config.json'
    as_they_come = dict(do_resize=False, do_center_crop=False)
    file.write_text(json.dumps({**json.loads(file.read_text()), **as_they_come}))
    options = {'model.pretrained': str(folder), 'model.bbox_head.freeze_vision': True}
    whole, sharded = train('ddp', 1, 3, **options), train('sharded', 1, 3, **options, **SHARDED)
    first, second = trained_weights(str(whole), 3), trained_weights(str(sharded), 3)
    torch.testing.assert_close(second, first, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(('stage', 'options'), [(1, ADAPTERS), (2, PENALIZED)])
def test_a_sharded_run_resumes_to_the_same_weights(train, stage, options):
    whole = train('whole', stage, 4, **options, **SHARDED)
    train('half', stage, 2, **options, **SHARDED)
    resumed = train('half', stage, 4, '--resume', **options, **SHARDED)
    assert_equal_weights(trained_weights(str(whole), 4), trained_weights(str(resumed), 4))


def test_ddp_goes_on_from_a_sharded_checkpoint(train):
    whole = train('whole', 1, 4)
    train('half', 1, 2, **SHARDED)
    resumed = train('half', 1, 4, '--resume')
    first, second = trained_weights(str(whole), 4), trained_weights(str(resumed), 4)
    torch.testing.assert_close(second, first, rtol=1e-4, atol=1e-6)


def validations(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in next(folder.rglob('scalars.json')).read_text().splitlines()]
    judged = [{key: row[key] for key in row if key.startswith('in_context/')} for row in rows]
    return [row for row in judged if row]


def test_it_validates_and_saves_the_best_in_step(train):
    """Answers end at different lengths in the two processes."""
    options = {
        'train_cfg.val_interval': 1,
        'default_hooks.checkpoint.save_best': 'in_context/fixed_box_mIoU',
        'default_hooks.checkpoint.rule': 'greater',
    }
    whole = train('ddp', 1, 2, validate=True, **options)
    sharded = train('sharded', 1, 2, validate=True, **options, **SHARDED)
    assert len(validations(whole)) == 2
    assert validations(whole) == validations(sharded)
    best = [sorted(path.name for path in folder.glob('best_*')) for folder in (whole, sharded)]
    assert best[0] == best[1] != []


def test_a_dead_worker_of_one_process_does_not_wait_for_the_other_to_save(write_config, tmp_path):
    options = {'train_dataloader.num_workers': 1, 'train_dataloader.persistent_workers': True}
    config = write_config(1, 9, [dict(type='KillWorkers', iteration=2, rank=1)], **options, **SHARDED)
    runs = start([config, '--work-dir', str(tmp_path / 'run')], tmp_path / 'log', processes=2)
    assert finish(runs)[1] == 2
    assert 'Go on from the last checkpoint with --resume' in Path(f'{tmp_path}/log.1').read_text()


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('optim_wrapper.optimizer', dict(_delete_=True, type='MuonWithAdamW'), 'take AdamW'),
        ('train_cfg', dict(_delete_=True, type='IterBasedTrainLoop', max_iters=2), 'takes every process'),
        (
            'model_wrapper_cfg',
            dict(type='FullyShardedModel', reshard_after_forward=2),
            'reshard_after_forward=2: give bool',
        ),
    ],
    ids=['muon', 'stock-loop', 'no-bool'],
)
def test_what_does_not_go_with_it_is_named(write_config, tmp_path, key, value, message):
    config = write_config(1, 2, **{**SHARDED, key: value})
    runs = start([config, '--work-dir', str(tmp_path / 'run')], tmp_path / 'log', processes=2)
    assert finish(runs) == [2, 2]
    assert message in Path(f'{tmp_path}/log.0').read_text()
