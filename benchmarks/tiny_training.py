"""Stage 1 of the tiny model, trained and tested.

    python benchmarks/tiny_training.py     # on a GPU where there is one, else the CPU: some minutes

The test figures are those of configs/focus_tiny_stage1.py at its last iteration.
The last line is JSON.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from metering import device_name
from mmengine.config import Config
from mmengine.runner import Runner

import focus_mmdet  # noqa: F401  registers the components

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--iterations', type=int, help="default: the config's")
    parser.add_argument('--episodes', type=int, help='of the test; default: all')
    args = parser.parse_args()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    os.chdir(ROOT)
    config = Config.fromfile('configs/focus_tiny_stage1.py')
    if args.iterations:
        config.train_cfg.update(max_iters=args.iterations, val_interval=args.iterations)
    if args.episodes:
        config.val_dataloader.dataset.indices = args.episodes
    if device == 'cuda':  # One worker keeps up with a CPU.
        config.train_dataloader.num_workers = min(8, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as config.work_dir:
        runner = Runner.from_cfg(config)
        started = time.perf_counter()
        runner.train()
        spent = time.perf_counter() - started
        lines = (Path(runner.log_dir) / 'vis_data/scalars.json').read_text().splitlines()
    tested: dict[str, Any] = json.loads(lines[-1])
    names = ('mIoU', 'acc@0.5', 'parse_rate')
    figures = {name: tested[f'in_context/{name}'] for name in names}
    print(json.dumps({**figures, 'seconds': spent, 'device': device_name(device)}))


if __name__ == '__main__':
    main()
