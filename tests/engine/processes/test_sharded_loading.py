"""Two processes load a model and a checkpoint, and neither ever holds the whole.

Anonymous memory is counted, which a machine cannot take back, as one thread
sees it every millisecond. Pages of mapped files come on top: all processes share
them, and they go when memory is short. What the kernel saw at most, with those,
has a wider bound.
"""

import ctypes
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch import distributed
from transformers import AutoConfig, AutoModelForImageTextToText

from focus_mmdet.engine import FocusRunner, TrainableOptimWrapperConstructor
from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from focus_mmdet.models import FocusDetector
from tests.forked_run import finish, last_words, start_function

FULL = dict(dtype='float32', freeze_vision=False)
LORA = dict(dtype='bfloat16', lora=dict(r=4))
ADAMW = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3))
#: Python objects of the model, and collectives.
SLACK = int(10e6)
#: Bytes of each weight file, at most.
FILE = int(10e6)


def memory(field: str) -> int:
    """Bytes, by the field's name in /proc."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024


@contextmanager
def watch(peaks: dict[str, int]) -> Iterator[None]:
    """Add the most that this process takes here: ``anonymous``, and with mapped files ``resident``."""
    Path('/proc/self/clear_refs').write_text('5')
    anonymous, resident = memory('RssAnon'), memory('VmRSS')
    seen, done = [0], threading.Event()

    def look() -> None:
        while not done.wait(0.001):
            seen.append(memory('RssAnon') - anonymous)

    thread = threading.Thread(target=look)
    thread.start()
    yield
    done.set()
    thread.join()
    peaks.update(anonymous=max(seen), resident=memory('VmHWM') - resident)


def load_shards(small: str, large: str, head: dict, checkpoint: str | None, output: str) -> None:
    """In each process: what it takes to load ``large``, after ``small`` has imported what both need."""
    # What is freed goes back at once.
    ctypes.CDLL(None).mallopt(-3, 65536)
    torch.set_num_threads(1)
    distributed.init_process_group('gloo')

    def load(folder: str) -> torch.nn.Module:
        name = f'{output}-{Path(folder).name}'
        config = dict(
            model=dict(type='FocusDetector', pretrained=folder, bbox_head=head),
            model_wrapper_cfg=dict(type='FullyShardedModel'),
            launcher='pytorch',
            work_dir=name,
            default_scope='mmdet',
            experiment_name=name,
            visualizer=dict(type='Visualizer', name=name),
        )
        return FocusRunner.from_cfg(Config(config)).model

    found: dict[str, dict[str, int]] = {'model': {}, 'weights': {}, 'states': {}}
    load(small)
    with watch(found['model']):
        model = load(large)
    if checkpoint is not None:
        wrapper = TrainableOptimWrapperConstructor(ADAMW)(model)
        with watch(found['weights']):
            whole = load_local_checkpoint(checkpoint)
            _load_checkpoint_to_model(model.module, whole['state_dict'])
        with watch(found['states']):
            wrapper.load_state_dict(whole['optimizer'])
    Path(f'{output}.{distributed.get_rank()}').write_text(json.dumps(found))
    distributed.barrier()
    distributed.destroy_process_group()


def size(tensors) -> int:
    return sum(each.numel() * each.element_size() for each in tensors)


@pytest.fixture(scope='module')
def large_folder(vlm_folder, tmp_path_factory) -> str:
    """60 million weights of bfloat16, in several files."""
    folder = Path(shutil.copytree(vlm_folder('qwen2_vl'), tmp_path_factory.mktemp('large') / 'vlm'))
    (folder / 'model.safetensors').unlink()
    config = AutoConfig.from_pretrained(folder)
    sizes = dict(hidden_size=768, intermediate_size=2304, num_attention_heads=24, num_key_value_heads=12)
    config.text_config.update({**sizes, 'num_hidden_layers': 8, 'layer_types': ['full_attention'] * 8})
    config.vision_config.hidden_size = 768
    with torch.device('meta'):
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    model.to_empty(device='cpu').tie_weights()
    with torch.no_grad():
        for weight in model.parameters():
            weight.uniform_(-0.1, 0.1)
    model.save_pretrained(folder, max_shard_size=FILE)
    assert size(model.parameters()) > 1.1e8
    return str(folder)


@pytest.fixture(scope='module')
def checkpoint(large_folder, tmp_path_factory) -> str:
    """Of all weights after a step of AdamW."""
    detector = FocusDetector(large_folder, FULL)
    wrapper = TrainableOptimWrapperConstructor(ADAMW)(detector)
    for weight in detector.parameters():
        weight.grad = torch.full_like(weight, 1e-3)
    wrapper.step()
    path = tmp_path_factory.mktemp('checkpoint') / 'iter_1.pth'
    torch.save({'state_dict': detector.state_dict(), 'optimizer': wrapper.state_dict()}, path)
    return str(path)


@pytest.mark.skipif(not Path('/proc/self/clear_refs').exists(), reason='reads memory from Linux')
@pytest.mark.parametrize('head', [FULL, LORA], ids=['full', 'lora'])
def test_no_process_holds_the_whole(vlm_folder, large_folder, tmp_path, head, request):
    saved = request.getfixturevalue('checkpoint') if head is FULL else None
    found, log = tmp_path / 'found', tmp_path / 'log'
    inputs = (vlm_folder('qwen2_vl'), large_folder, head, saved, str(found))
    runs = start_function(load_shards, *inputs, output=log, processes=2)
    assert finish(runs) == [0, 0], last_words(log)
    with torch.device('meta'):
        model = AutoModelForImageTextToText.from_config(
            AutoConfig.from_pretrained(large_folder), dtype=getattr(torch, head['dtype'])
        )
    whole, layer = size(model.parameters()), size(model.model.language_model.layers[0].parameters())
    for rank in range(2):
        peaks = json.loads(Path(f'{found}.{rank}').read_text())
        assert 0.45 * whole < peaks['model']['anonymous'] < whole / 2 + layer + SLACK
        # Two weight files at a time have parts that are still to come.
        assert peaks['model']['resident'] < whole / 2 + layer + SLACK + 2 * FILE
        if saved is not None:
            # Shards of the weights are there and are written over; the states of AdamW are twice as much.
            assert peaks['weights']['anonymous'] < layer + SLACK
            assert 0.9 * whole < peaks['states']['anonymous'] < whole + layer + SLACK
