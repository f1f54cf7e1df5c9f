"""Twenty iterations of each tiny stage, two more of a run of release 0.1.0, and the tests after them, to
compare with those of before.

python -m tests.engine.golden_runs records tests/data/golden_runs.json anew, after a change that is
meant to change them; say in the commit why.
"""

import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner

ROOT = Path(__file__).parents[2]
RECORD = ROOT / 'tests/data/golden_runs.json'
RELEASE = ROOT / 'tests/data/release_0_1_0'
ITERATIONS = 20
_TIMES = ('time', 'data_time', 'memory', 'seconds/', 'tokens_per_second')


def made_with() -> dict[str, str]:
    """What the last digits depend on: versions, and the processor's instructions."""
    packages = ('torch', 'numpy', 'pillow', 'transformers', 'mmengine', 'mmdet')
    found = {name: version(name) for name in packages}
    found |= {'python': platform.python_version(), 'processor': platform.machine()}
    return found | {'capability': torch.backends.cpu.get_cpu_capability(), 'model': _processor_model()}


def _processor_model() -> str:
    """Family and model by number: of one capability libraries still choose other kernels."""
    file = Path('/proc/cpuinfo')
    lines = file.read_text().splitlines() if file.is_file() else []
    said = dict(map(str.strip, line.split(':', 1)) for line in lines if ':' in line)
    return '/'.join(said.get(key, '?') for key in ('cpu family', 'model'))


def train(config: Config) -> dict[str, Any]:
    """Train, and test after the last iteration.

    Returns:
        ``train``: what each iteration logged; ``test``: the figures.
    """
    runner = Runner.from_cfg(config)
    runner.train()
    lines = (Path(runner.log_dir) / 'vis_data/scalars.json').read_text().splitlines()
    *logged, figures = [
        {key: value for key, value in json.loads(line).items() if not key.startswith(_TIMES)}
        for line in lines
    ]
    return {'train': logged, 'test': figures}


def run(stage: int, work_dir: str) -> dict[str, Any]:
    """:func:`train` for ``ITERATIONS`` iterations from the shipped base."""
    config = Config.fromfile(f'configs/focus_tiny_stage{stage}.py')
    config.merge_from_dict(
        {
            'work_dir': work_dir,
            'load_from': None,
            'log_level': 'ERROR',
            'experiment_name': f'golden-{stage}-{Path(work_dir).name}',
            'visualizer.name': f'golden-{stage}-{Path(work_dir).name}',
            'train_cfg.max_iters': ITERATIONS,
            'train_cfg.val_interval': ITERATIONS,
            'train_dataloader': dict(num_workers=0, persistent_workers=False),
            'val_dataloader': dict(num_workers=0),
            'val_dataloader.dataset.episodes': dict(per_track=3),
            'default_hooks.logger.interval': 1,
        }
    )
    return train(config)


def go_on(work_dir: str) -> dict[str, Any]:
    """:func:`train` from the checkpoint of release 0.1.0 to the end of its config."""
    config = Config.fromfile(str(RELEASE / 'focus_tiny_stage2.py'))
    config.merge_from_dict(
        {
            'work_dir': work_dir,
            'load_from': str(RELEASE / 'iter_2.pth'),
            'resume': True,
            'log_level': 'ERROR',
            'experiment_name': f'release-{Path(work_dir).name}',
            'visualizer.name': f'release-{Path(work_dir).name}',
        }
    )
    return train(config)


def main() -> None:
    torch.set_num_threads(1)
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        runs = {f'stage{stage}': run(stage, f'{folder}/stage{stage}') for stage in (1, 2)}
        runs['release_0_1_0'] = go_on(f'{folder}/release')
    RECORD.write_text(json.dumps({'made_with': made_with(), 'runs': runs}, indent=1) + '\n')
    print(f'wrote {RECORD.relative_to(ROOT)}', file=sys.stderr)


if __name__ == '__main__':
    import focus_mmdet  # noqa: F401  registers the components

    main()
