"""Two real processes on gloo, through tools/dist_train.sh."""

import os
import socket
import subprocess
import sys

import pytest
import torch

from focus_mmdet.engine.checkpoint_loading import load_local_checkpoint
from tests.conftest import ROOT

OPTIONS = [
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'default_hooks.checkpoint.interval=1',
    'default_hooks.logger.interval=1',
    'train_dataloader.batch_size=1',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.dataset.episodes.per_track=1',
]


def launch(script: str, *arguments: str) -> str:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, 'PORT': port, 'PYTHON': sys.executable, 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run(
        ['bash', script, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


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
    assert 'in_context/episodes: 8' in log, 'every test episode counts once'
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
    assert (tmp_path / 'out.pkl').is_file()
