"""What estimate_memory.py says, against what a process really takes."""

import json
import os
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config

from focus_mmdet.errors import InputError
from focus_mmdet.models import FocusDetector
from focus_mmdet.models.sizing.dry_run import dry_head, dry_image
from focus_mmdet.models.sizing.published_sizes import published_config
from focus_mmdet.models.sizing.tiny import build_tiny_vlm
from focus_mmdet.models.vlm.families import FAMILIES
from tests.conftest import ROOT
from tools.analysis_tools.estimate_memory import (
    RESERVE,
    episode_size,
    estimate,
    host_memory,
    learning_peak,
    main,
    vlm_config,
)

TOOL = 'tools/analysis_tools/estimate_memory.py'
#: Peak growth of resident memory over the second training step, on the real thing.
MEASURE = """
import sys, json
from pathlib import Path
import torch
import focus_mmdet
from focus_mmdet.models.heads.attention_supervision import AttentionSupervision
from focus_mmdet.models.sizing.dry_run import dry_episodes
from focus_mmdet.models.heads.vlm_head import VLMHead

folder, options, episode = json.loads(sys.argv[1])
torch.set_num_threads(1)
head = VLMHead(folder, **options).train()
head.attention_supervision = (AttentionSupervision(),)
batch = dry_episodes(head.vlm.family, 2, **episode)
batch.vision = [
    {name: torch.randn(each.shape) if each.is_meta else each for name, each in image.items()}
    for image in batch.vision
]
optimizer = torch.optim.AdamW([weight for weight in head.parameters() if weight.requires_grad])

def memory(field):
    lines = Path('/proc/self/status').read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024

for _ in range(2):
    Path('/proc/self/clear_refs').write_text('5')
    before = memory('VmRSS')
    batch.features = None
    sum(value for name, value in head.loss(batch, 0).items() if 'loss' in name).backward()
    optimizer.step()
print(memory('VmHWM') - before)
"""


def tiny_config(folder, **head):
    config = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage1.py'))
    config.model.pretrained = str(folder)
    config.model.bbox_head.update(head)
    config.train_dataloader.batch_size = 2
    return config


def test_sharding_divides_what_stays_and_gathers_a_part(vlm_folder):
    config = tiny_config(vlm_folder())
    copy = estimate(config, gpus=4)
    config.model_wrapper_cfg = dict(type='FullyShardedModel')
    assert estimate(config, gpus=1) == estimate(tiny_config(vlm_folder()), gpus=1)
    sharded = estimate(config, gpus=4)
    for name in ('weights', 'trained weights', 'gradients', 'optimizer states'):
        assert 0 <= 4 * sharded[name] - copy[name] < 4
    assert sharded['total'] < copy['total']
    config.model_wrapper_cfg.reshard_after_forward = False
    kept = estimate(config, gpus=4)['gathered for a moment']
    assert kept > max(sharded['gathered for a moment'], copy['weights'] + copy['trained weights'])


class Greedy:
    """An optimizer whose update needs 4 GB for a moment."""

    def step(self) -> None:
        torch.empty(10**9, device='meta')


def test_each_gpu_updates_its_part(vlm_folder):
    config = tiny_config(vlm_folder())
    vlm = vlm_config(vlm_folder())
    head = dry_head(vlm).train()
    inputs = (head, Greedy(), config, episode_size(config, head.vlm.family), False)
    whole, part = learning_peak(*inputs, parts=1), learning_peak(*inputs, parts=4)
    assert whole - part == pytest.approx(3e9, rel=0.01)


@pytest.mark.parametrize(
    ('dtype', 'wrapper', 'copies'),
    [('float32', None, 0), ('bfloat16', None, 4), ('bfloat16', dict(type='FullyShardedModel'), 0)],
)
def test_host_memory_is_the_files_once_and_copies_of_another_type(vlm_folder, dtype, wrapper, copies):
    config = tiny_config(vlm_folder(), dtype=dtype)
    config.model_wrapper_cfg = wrapper
    rows = host_memory(config, gpus=4)
    weights = os.path.getsize(f'{vlm_folder()}/model.safetensors')
    assert rows['host: weight files, mapped once for all'] == pytest.approx(weights, rel=0.05)
    assert rows['host: copies in another type'] == pytest.approx(copies * weights / 2, rel=0.05)


def test_an_optimizer_that_asks_for_names_is_counted(vlm_folder):
    config = tiny_config(vlm_folder())
    config.optim_wrapper.optimizer = dict(type='MuonWithAdamW')
    rows = estimate(config)
    assert rows['trained weights'] < rows['optimizer states'] < 2 * rows['trained weights']


@pytest.mark.parametrize('lora', [None, dict(r=4)])
def test_weights_and_optimizer_states_are_exact(vlm_folder, lora):
    config = tiny_config(vlm_folder(), lora=lora, freeze_vision=lora is not None)
    rows = estimate(config, gpus=2)
    detector = FocusDetector(vlm_folder(), dict(config.model.bbox_head))
    trained = [weight for weight in detector.parameters() if weight.requires_grad]
    frozen = [weight for weight in detector.parameters() if not weight.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    for weight in trained:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    states = [value for state in optimizer.state.values() for value in state.values() if value.dim()]

    def size(tensors):
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    assert rows['trained weights'] == rows['gradients'] == rows['gradient buckets of DDP'] == size(trained)
    assert rows['weights'] == size([*frozen, *detector.buffers()]) - size(
        detector.data_preprocessor.buffers()
    )
    assert rows['optimizer states'] == size(states)
    parts = sum(value for name, value in rows.items() if name != 'total')
    assert rows['total'] == parts > RESERVE


@pytest.mark.parametrize(('name', 'tokens'), [('InternVL3-8B-hf', 13 * 256), ('Qwen2-VL-7B-Instruct', 352)])
def test_images_of_the_shape_with_most_visual_tokens_are_assumed(name, tokens):
    """At 276480 pixels InternVL3 makes twelve tiles and a thumbnail of 4:3, and one tile of a square."""
    config = Config.fromfile(str(ROOT / 'configs/focus_stage1.py'))
    published = published_config(name)
    family = FAMILIES[published.model_type](published)
    assert len(dry_image(family, episode_size(config, family)['size']).places) == tokens


@pytest.mark.skipif(not os.path.exists('/proc/self/clear_refs'), reason='reads peak memory from Linux')
@pytest.mark.parametrize('checkpointing', [False, True])
def test_a_step_takes_about_as_much_as_estimated(tmp_path, checkpointing):
    folder = build_tiny_vlm(tmp_path / 'vlm', 'qwen2_vl', width=256, layers=6, vision=32)
    options = dict(lora=dict(r=8), gradient_checkpointing=checkpointing)
    config = tiny_config(folder, freeze_vision=True, **options)
    config.train_dataloader.dataset.datasets[0].dataset.episodes.shots = 2
    config.train_dataloader.dataset.datasets[0].dataset.pipeline[0].transforms[-1].max_pixels = 40000
    estimated = estimate(config)['learning']
    episode = dict(shots=2, size=(208, 192), text=62, answer=25)
    done = subprocess.run(
        [sys.executable, '-c', MEASURE, json.dumps([str(folder), options, episode])],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
        # Freed memory goes back at once, so what is resident is what is used.
        env={**os.environ, 'MALLOC_MMAP_THRESHOLD_': '65536', 'MALLOC_TRIM_THRESHOLD_': '65536'},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert 1 / 1.35 < estimated / float(done.stdout.split()[-1]) < 1.35


@pytest.mark.parametrize('enough', [True, False])
def test_what_does_not_fit_comes_with_changes_that_help(vlm_folder, enough):
    room = '2.03' if enough else '2.001'  # 2 GB are reserved.
    done = subprocess.run(
        [sys.executable, TOOL, 'configs/focus_tiny_stage2.py', '--gpus', '8', '--gpu-memory', room,
         '--cfg-options', f'model.pretrained={vlm_folder()}'],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows = json.loads(done.stdout.splitlines()[-1])
    assert rows['reference policy'] == rows['trained weights']
    assert rows['rollout'] > 0
    total = f'{rows["total"] / 1e9:9.2f} GB'
    assert total in done.stdout
    assert f'does not fit into {room} GB' in done.stdout
    assert ('no single change' in done.stdout) is not enough
    for change in ('lora, freeze_vision', 'gradient_checkpointing=True', 'batch_size=1', 'num_generations=2'):
        line = next(line for line in done.stdout.splitlines() if change in line)
        fits = float(line.split(' GB')[0].split()[-1]) <= float(room)
        assert line.endswith('fits' if fits else 'still too much')


@pytest.mark.parametrize(
    ('path', 'gigabytes'),
    [('focus_stage1.py', 20), ('focus_stage2.py', 21), ('ablations/qlora.py', 11)],
)
def test_true_7b_sizes_take_what_the_readme_says(path, gigabytes):
    config = Config.fromfile(str(ROOT / 'configs' / path))
    rows = estimate(config, gpus=8)
    assert round(rows['total'] / 1e9) == gigabytes
    # 8.29 B parameters, all but the adapters' 20.2 M in bfloat16.
    if 'qlora' not in path:
        assert rows['weights'] == pytest.approx(2 * 8.29e9, rel=0.001)
    assert rows['trained weights'] == pytest.approx(4 * 20.2e6, rel=0.01)


@pytest.mark.slow
def test_72b_fits_eight_gpus_of_80_gb_as_the_page_says():
    config = Config.fromfile(str(ROOT / 'configs/focus_stage1_fsdp.py'))
    config.model.pretrained = 'checkpoints/Qwen2-VL-72B-Instruct'
    rows, host = estimate(config, gpus=8), host_memory(config, gpus=8)
    assert round(rows['total'] / 1e9) == 39
    assert 8 * rows['weights'] == pytest.approx(2 * 73.4e9, rel=0.001)
    assert round(sum(host.values()) / 1e9) == 147


def test_a_published_model_needs_no_folder_and_another_one_does(tmp_path):
    assert vlm_config('nowhere/Qwen3-VL-8B-Instruct').text_config.num_hidden_layers == 36
    with pytest.raises(InputError, match='no model folder'):
        vlm_config(str(tmp_path / 'mine'))


@pytest.mark.parametrize(
    'option',
    [
        'train_cfg.num_generations=1',
        'train_dataloader.batch_size=0',
        'train_dataloader.dataset.episodes.shots=0',
        'train_dataloader.dataset.pipeline.0.transforms.2.max_pixels=0',
    ],
)
def test_what_training_refuses_is_not_estimated(option, monkeypatch):
    monkeypatch.setattr(sys, 'argv', [TOOL, 'configs/focus_stage2_tao.py', '--cfg-options', option])
    monkeypatch.chdir(ROOT)
    name = option.split('=')[0].split('.')[-1]
    with pytest.raises(InputError, match=f'{name}={option[-1]}'):
        main()
