"""Two real processes on gloo, started by tools/dist_train.sh or as it would start them."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from tests.conftest import ROOT
from tests.forked_run import finish, start

OPTIONS = [
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'train_cfg.effective_batch=2',
    'default_hooks.checkpoint.interval=1',
    'default_hooks.logger.interval=1',
    'train_dataloader.batch_size=1',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.dataset.episodes.per_track=1',
    # An odd number: one process is given an episode twice.
    'val_dataloader.dataset.indices=7',
    'test_dataloader.dataset.indices=7',
]


def launch(script: str, *arguments: str) -> str:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    environment = {
        **os.environ,
        'PORT': port,
        'PYTHON': sys.executable,
        'CUDA_VISIBLE_DEVICES': '',
        'PYTHONPATH': str(ROOT),
    }
    done = subprocess.run(
        ['bash', script, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


def train(folder: Path, config: str, processes: int, *options: str, fails: bool = False) -> str:
    """What the first process printed of a training into ``folder``."""
    output = folder.with_suffix('.log')
    statuses = finish(
        start([config, '--work-dir', str(folder), '--cfg-options', *options], output, processes)
    )
    log = Path(f'{output}.0').read_text()
    assert any(statuses) is fails, log[-4000:]
    return log


@pytest.mark.parametrize('lora', [False, True])
def test_both_stages_and_the_test_run_on_two_processes(vlm_folder, tmp_path, lora):
    model = [f'model.pretrained={vlm_folder()}']
    if lora:
        model += ['model.bbox_head.lora._delete_=True', 'model.bbox_head.lora.r=4']
        model += ['model.bbox_head.freeze_vision=True']
    first, second = tmp_path / 'stage1', tmp_path / 'stage2'
    log = launch(
        'tools/dist_train.sh', 'configs/focus_tiny_stage1.py', '2',
        '--work-dir', str(first), '--cfg-options', *OPTIONS, *model,
    )  # fmt: skip
    assert 'in_context/episodes: 7' in log, 'every test episode counts once'
    launch(
        'tools/dist_train.sh', 'configs/focus_tiny_stage2.py', '2',
        '--work-dir', str(second), '--cfg-options', *OPTIONS, *model, f'load_from={first}/iter_2.pth',
    )  # fmt: skip
    before = load_local_checkpoint(f'{first}/iter_2.pth')['state_dict']
    after = load_local_checkpoint(f'{second}/iter_2.pth')['state_dict']
    assert before.keys() == after.keys()
    assert any('lora_' in name for name in after) == lora
    assert all(torch.isfinite(weight).all() for weight in after.values())
    log = launch(
        'tools/dist_test.sh', 'configs/focus_tiny_stage2.py', f'{second}/iter_2.pth', '2',
        '--work-dir', str(tmp_path / 'test'), '--out', str(tmp_path / 'out.pkl'),
        '--cfg-options', *OPTIONS, *model,
    )  # fmt: skip
    assert 'in_context/episodes: 7' in log
    assert (tmp_path / 'out.pkl').is_file()


def test_stage_1_logs_the_mean_over_processes(vlm_folder, tmp_path):
    losses = []
    for processes, episodes in ((1, 4), (2, 2)):
        folder = tmp_path / str(processes)
        train(
            folder, 'configs/focus_tiny_stage1.py', processes, *OPTIONS, f'model.pretrained={vlm_folder()}',
            f'train_dataloader.batch_size={episodes}', 'train_cfg.max_iters=1', 'train_cfg.effective_batch=4',
        )  # fmt: skip
        log = json.loads(next(folder.rglob('scalars.json')).read_text().splitlines()[0])
        losses.append((log['loss_attention'], log['attention_mass']))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


GRPO = [
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=9',
    'default_hooks.checkpoint.interval=2',
    'default_hooks.logger.interval=1',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_dataloader.dataset.datasets.0.dataset.episodes.per_track=4',
    'load_from=None',
    # Adam would blow rounding up where gradients are nearly zero.
    'optim_wrapper.optimizer._delete_=True',
    'optim_wrapper.optimizer.type=SGD',
    'optim_wrapper.optimizer.lr=0.5',
]


@pytest.fixture
def plugged(tmp_path):
    """The tiny stage-2 config with the components of two_processes.py."""
    path = tmp_path / 'plugged.py'
    imports = ['focus_mmdet', 'tests.engine.processes.two_processes']
    path.write_text(
        f"_base_ = ['{ROOT}/configs/focus_tiny_stage2.py']\ncustom_imports = dict(imports={imports})\n"
    )
    return str(path)


@pytest.mark.parametrize(('loss_type', 'scale'), [('grpo', 'group'), ('dapo', 'batch'), ('dr_grpo', 'none')])
def test_two_processes_that_learn_in_parts_are_one(vlm_folder, plugged, tmp_path, loss_type, scale):
    options = [
        *GRPO,
        f'model.pretrained={vlm_folder()}',
        f'train_cfg.loss_type={loss_type}',
        f'train_cfg.scale_rewards={scale}',
        'train_cfg.beta=0.1',
        'train_cfg.rewards.0.type=TextReward',
    ]
    both, one = tmp_path / 'both', tmp_path / 'one'
    parts = ['train_dataloader.batch_size=2', 'train_cfg.max_tokens_per_pass=700']
    train(both, plugged, 2, *options, *parts)
    train(one, plugged, 1, *options, 'train_dataloader.batch_size=4')
    reference = load_local_checkpoint(f'{one}/iter_2.pth')['reference_policy']
    first, second = (load_local_checkpoint(f'{each}/iter_2.pth')['state_dict'] for each in (one, both))
    moved = 0.0
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, rtol=1e-4, atol=1e-6)
        before = reference.get(name.removeprefix('bbox_head.vlm.'), weight)
        moved = max(moved, float((weight - before).abs().max()))
    assert moved > 1e-4
    logs = [next(each.rglob('scalars.json')).read_text().splitlines()[1] for each in (one, both)]
    for name in ('loss', 'reward', 'reward_std', 'kl', 'entropy', 'completions/mean_length'):
        values = [json.loads(log)[name] for log in logs]
        assert values[0] == pytest.approx(values[1], rel=1e-3, abs=1e-6), name


@pytest.mark.parametrize('mistake', [False, True])
def test_6_a_rank_with_nothing_to_learn_takes_part(vlm_folder, plugged, tmp_path, mistake):
    """Otherwise the other one waits for it for ever."""
    loop = 'SkippingLoop' if mistake else 'GRPOTrainLoop'
    options = [f'model.pretrained={vlm_folder()}', 'train_dataloader.batch_size=1', 'train_cfg.beta=0.0']
    options += ['train_cfg.effective_batch=2']
    options += ['train_cfg.rewards.0.type=FlatOnOneRank', f'train_cfg.type={loop}']
    options += ['env_cfg.dist_cfg.timeout=10']
    log = train(tmp_path / 'run', plugged, 2, *GRPO, *options, fails=mistake)
    assert ('Saving checkpoint at 2 iterations' in log) is not mistake
