"""Both stages on a GPU, in every mode that only one can show: ``python -m pytest -m gpu``."""

import importlib.util
import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from focus_mmdet.core.prefix import share_prefix
from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from focus_mmdet.models.vlm.prefix_attention import causal_prefix
from tests.conftest import ROOT, relative_error
from tests.engine.processes.test_distributed import OPTIONS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU'),
]

LORA = [
    'model.bbox_head.lora._delete_=True',
    'model.bbox_head.lora.r=4',
    'model.bbox_head.freeze_vision=True',
]
HALF = ['model.bbox_head.dtype=bfloat16', 'model.bbox_head.gradient_checkpointing=True']
#: With the first scale of a dynamic one, steps of so short a run would be skipped.
SCALE = ['optim_wrapper.loss_scale.init_scale=1024.0']
SHARDED = ['model_wrapper_cfg.type=FullyShardedModel']


def needs(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f'needs {package}')


def run(*command):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, 'PYTHON': sys.executable, 'PYTHONPATH': str(ROOT), 'PORT': port}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize('launched', [False, True], ids=['alone', 'launched'])
@pytest.mark.parametrize(
    ('flags', 'options'),
    [
        ([], []),
        (['--amp'], SCALE),
        ([], [*LORA, *HALF]),
        (['--amp'], [*LORA, *SCALE]),
        ([], SHARDED),
        ([], [*LORA, *HALF, *SHARDED]),
    ],
    ids=['float32', 'amp', 'half-lora', 'amp-lora', 'sharded', 'sharded-half-lora'],
)
def test_both_stages_train_and_test(vlm_folder, tmp_path, launched, flags, options):
    if options[-1:] == SHARDED and not launched:
        pytest.skip('shards need a launcher')
    gpus = str(torch.cuda.device_count())
    options = ['--cfg-options', *OPTIONS, f'model.pretrained={vlm_folder()}', *options]
    start = 'None'
    for stage in (1, 2):
        config, folder = f'configs/focus_tiny_stage{stage}.py', tmp_path / f'stage{stage}'
        arguments = ['--work-dir', str(folder), *flags, *options, f'load_from={start}']
        if launched:
            run('bash', 'tools/dist_train.sh', config, gpus, *arguments)
        else:
            run(sys.executable, 'tools/train.py', config, *arguments)
        start = str(folder / 'iter_2.pth')
        before, after = (
            load_local_checkpoint(str(folder / f'iter_{number}.pth'))['state_dict'] for number in (1, 2)
        )
        assert all(weight.isfinite().all() for weight in after.values())
        assert any(not torch.equal(before[name], weight) for name, weight in after.items())
    log = run(sys.executable, 'tools/test.py', config, start, '--work-dir', str(tmp_path / 'test'), *options)
    assert 'in_context/mIoU' in log


@pytest.mark.parametrize(
    'options',
    [
        pytest.param(
            [*LORA, *HALF, 'model.bbox_head.attn_implementation=flash_attention_2'],
            marks=needs('flash_attn'),
            id='flash',
        ),
        pytest.param(
            [
                *LORA,
                *HALF,
                'model.bbox_head.quantization.load_in_4bit=True',
                'model.bbox_head.quantization.bnb_4bit_quant_type=nf4',
                'model.bbox_head.quantization.bnb_4bit_compute_dtype=bfloat16',
                'model.bbox_head.quantization.llm_int8_skip_modules=[model.visual,lm_head]',
            ],
            marks=needs('bitsandbytes'),
            id='qlora',
        ),
    ],
)
def test_stage_1_trains(vlm_folder, tmp_path, options):
    run(
        sys.executable, 'tools/train.py', 'configs/focus_tiny_stage1.py', '--work-dir', str(tmp_path / 'run'),
        '--cfg-options', *OPTIONS, f'model.pretrained={vlm_folder()}', *options,
    )  # fmt: skip
    assert (tmp_path / 'run/iter_2.pth').is_file()


def tail_gradients(tensors, mask, device, dtype):
    """Of the queries, keys and values of a prompt and its answers, in float32 on the CPU."""
    query, key, value, weights = (tensor.to(device, dtype, copy=True) for tensor in tensors)
    leaves = [tensor.requires_grad_() for tensor in (query, key, value)]
    layer = SimpleNamespace(
        num_key_value_groups=query.shape[1] // key.shape[1], is_causal=True, training=True
    )
    output, _ = causal_prefix(sdpa_attention_forward)(layer, *leaves, mask.to(device))
    (output * weights.transpose(1, 2)).sum().backward()
    return [leaf.grad.float().cpu() for leaf in leaves]


def test_gradients_under_the_mask_of_stage_2(make_detector):
    """576 keys and 64 masked rows, all scores far below 0: there cuDNN's kernels have given NaN."""
    make_detector()
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    answers = [torch.ones(16, dtype=torch.long)] * 4
    mask = share_prefix([torch.ones(512, dtype=torch.long)], [answers], pad_id=0).mask
    torch.manual_seed(0)
    shapes = [(1, heads, 576, 128) for heads in (28, 4, 4, 28)]  # Qwen2-VL-7B's
    tensors = [torch.randn(shape).bfloat16() for shape in shapes]
    tensors[0][..., 0], tensors[1][..., 0] = 1, -120 * 128**0.5
    found = tail_gradients(tensors, mask, 'cuda', torch.bfloat16)
    expected = tail_gradients(tensors, mask, 'cpu', torch.float32)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.isfinite().all()
        # The first component is a sum of large numbers that cancel out.
        assert relative_error(ours[..., 1:], theirs[..., 1:]) < 0.05
