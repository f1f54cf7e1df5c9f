"""Both stages trained and resumed on the tiny model, in every mode that the device has.

    python benchmarks/stages.py     # on a GPU where there is one, else the CPU

In each mode stage 1 trains for two iterations, stage 2 for two more from its
weights, and either is resumed from its first one. ``resumed`` is how far the
resumed run's weights end from the uninterrupted one's, relative to how far
those moved since: 0 where sums are made in one order, as on a CPU. A mode fails
whose weights are not finite or do not move; the others go on. Seconds are of
both stages, resumed runs included. The last line is JSON.
"""

import argparse
import json
import os
import socket
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from metering import device_name
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from focus_mmdet.engine.launch import end_launch, prepare_cpu_launch

ROOT = Path(__file__).parents[1]
ITERATIONS = 2
LORA = {
    'model.bbox_head.lora': dict(_delete_=True, r=4, lora_alpha=8),
    'model.bbox_head.freeze_vision': True,
    'model.bbox_head.dtype': 'bfloat16',
    'model.bbox_head.gradient_checkpointing': True,
}
#: With the first scale of a dynamic one, steps of so short a run would be skipped.
AMP = {
    'optim_wrapper.type': 'AmpOptimWrapper',
    'optim_wrapper.dtype': 'float16',
    'optim_wrapper.loss_scale': dict(init_scale=1024.0),
}
SHARDED = {'launcher': 'pytorch', 'model_wrapper_cfg': dict(type='FullyShardedModel')}
#: Sharding last: from then on the process is one of a group.
MODES: dict[str, dict[str, Any]] = {
    'float32': {},
    'amp': AMP,
    'bfloat16_checkpointing': LORA,
    'sharded': SHARDED,
    'sharded_bfloat16_checkpointing': {**SHARDED, **LORA},
}


def train(stage: int, options: dict[str, Any], folder: Path, start: Path | None, resume: bool) -> Path:
    """Train into ``folder``; the last checkpoint."""
    config = Config.fromfile(str(ROOT / f'configs/focus_tiny_stage{stage}.py'))
    config.merge_from_dict(
        {
            'model.pretrained': str(ROOT / config.model.pretrained),
            'work_dir': str(folder),
            'load_from': None if start is None else str(start),
            'resume': resume,
            'log_level': 'ERROR',
            'experiment_name': str(folder).replace('/', '_'),
            'visualizer.name': str(folder).replace('/', '_'),
            'train_cfg.max_iters': ITERATIONS,
            'train_cfg.val_interval': ITERATIONS + 1,
            'train_cfg.effective_batch': 2,
            'train_dataloader': dict(batch_size=2, num_workers=0, persistent_workers=False),
            'train_dataloader.dataset.datasets.1.length': 64,  # scenes to draw
            'default_hooks.checkpoint': dict(interval=ITERATIONS // 2, max_keep_ckpts=2),
            **options,
        }
    )
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    prepare_cpu_launch(config)
    Runner.from_cfg(config).train()
    return folder / f'iter_{ITERATIONS}.pth'


def weights(checkpoint: Path) -> Tensor:
    """All of them, (N,) in float64.

    Raises:
        ValueError: Some are not finite.
    """
    state = load_local_checkpoint(str(checkpoint))['state_dict']
    flat = torch.cat([tensor.double().flatten() for tensor in state.values()])
    if not flat.isfinite().all():
        raise ValueError(f'{checkpoint}: weights that are not finite')
    return flat


def train_and_resume(
    stage: int, options: dict[str, Any], folder: Path, start: Path | None
) -> tuple[Path, float]:
    """The last checkpoint of an uninterrupted run, and how far from it a resumed one ends."""
    last = train(stage, options, folder / f'stage{stage}', start, resume=False)
    middle = last.with_name(f'iter_{ITERATIONS // 2}.pth')
    resumed = weights(train(stage, options, folder / f'resumed{stage}', middle, resume=True))
    moved = float((weights(last) - weights(middle)).norm())
    if not moved:
        raise ValueError(f'{last}: no weight has moved since {middle.name}')
    return last, float((weights(last) - resumed).norm()) / moved


def join_group() -> None:
    """Be the one process of a group, as torchrun would start it."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    os.environ.update(RANK='0', LOCAL_RANK='0', WORLD_SIZE='1', MASTER_ADDR='127.0.0.1', MASTER_PORT=port)


def measure(mode: str) -> dict[str, float]:
    """How far either stage's resumed run ends from the uninterrupted one, and seconds of all."""
    started, row, last = time.perf_counter(), {}, None
    with tempfile.TemporaryDirectory() as folder:
        for stage in (1, 2):
            last, row[f'stage{stage}_resumed'] = train_and_resume(stage, MODES[mode], Path(folder), last)
    return {**row, 'seconds': time.perf_counter() - started}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--modes', nargs='+', choices=list(MODES), default=list(MODES))
    args = parser.parse_args()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    figures: dict[str, Any] = {}
    failed = []
    for mode in (mode for mode in MODES if mode in args.modes):
        if mode == 'amp' and device == 'cpu':
            print('amp: needs a GPU')
            continue
        if 'launcher' in MODES[mode] and 'RANK' not in os.environ:
            join_group()
        try:
            figures[mode] = measure(mode)
        except Exception:
            traceback.print_exc()
            failed.append(mode)
            continue
        print(
            f'{mode}: ' + ', '.join(f'{name} {value:.2g}' for name, value in figures[mode].items()),
            flush=True,
        )
    end_launch()
    print(json.dumps({**figures, 'failed': failed, 'device': device_name(device)}))
    sys.exit(bool(failed))


if __name__ == '__main__':
    main()
