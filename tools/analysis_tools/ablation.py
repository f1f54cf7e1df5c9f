"""An ablation in the form of the paper's Table 3 on the embedded model, with probes and baselines.

    python tools/analysis_tools/ablation.py configs/ablations/pairs.py --work-dir work_dirs/ablation
    python tools/analysis_tools/ablation.py configs/ablations/pairs.py --work-dir work_dirs/ablation_reduced \
        --seeds 0 --stage1-iters 200 --stage2-iters 20 --episodes 64

The config names the steps that are trained, the arms that go through them, the
test sets and the columns. Every arm starts from the same base; arms with and
without an attention loss train equally long, and so do those with GRPO. What is
finished is kept in WORK_DIR/results, so an interrupted run goes on where it was,
and one seed each may run side by side in one WORK_DIR; the command with all seeds
then makes their table. Writes table.md and curves.png; the last line is JSON.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from mmengine.config import Config
from mmengine.runner import Runner

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import check_folder, read_config, run_cli
from focus_mmdet.datasets.conversion.output_file import write_whole
from focus_mmdet.engine.checkpoints.loading import find_readable_checkpoint
from focus_mmdet.engine.launch import check_inputs
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.type_name import type_name

BASELINES = {
    'copy the support': 'copy_support_mIoU',
    'best fixed box': 'fixed_box_mIoU',
    'random object': 'random_object_mIoU',
    'correlation matcher': 'matcher_mIoU',
}
#: Student's t at 97.5 % by degrees of freedom.
T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57}

Results = dict[str, dict[str, dict[str, float]]]
#: (title, steps, title of the arm it is compared with or None).
Arms = Sequence[tuple[str, Sequence[str], str | None]]
#: (title, test set, metric).
Columns = Sequence[tuple[str, str, str]]


class Ablation:
    """Trains and tests arms, remembering what is done.

    Args:
        config: Of the ablation: its ``steps``, ``test_sets`` and ``temperatures``.
        work_dir: Of checkpoints and results.
        pretrained: Folder of the base; None: the configs' own.
        iters: Iterations by step.
        episodes: Most episodes of each test set.
    """

    def __init__(
        self, config: Config, work_dir: Path, pretrained: str | None, iters: dict[str, int], episodes: int
    ) -> None:
        self.config, self.work_dir, self.pretrained = config, work_dir, pretrained
        self.iters, self.episodes = iters, episodes
        self.results: Results = {}

    def checkpoint(self, steps: Sequence[str], seed: int) -> str | None:
        """Weights after ``steps``, trained if they are not there yet."""
        if not steps:
            return None
        folder = self.work_dir / _key(steps, seed)
        count = self.iters[steps[-1]]
        file = folder / f'iter_{count}.pth'
        if not file.is_file():
            config = self._prepared(read_step(self.config.steps[steps[-1]]), folder, seed)
            started = find_readable_checkpoint(str(folder))
            config.resume = started is not None
            config.load_from = started or self.checkpoint(steps[:-1], seed)
            _shorten(config, count)
            check_inputs(config, ['train_dataloader'])
            Runner.from_cfg(config).train()
        return str(file)

    def test(self, steps: Sequence[str], seed: int) -> None:
        """Metrics on every test set.

        Raises:
            InputError: ``work_dir`` holds this arm's results with other settings.
        """
        key = _key(steps, seed)
        file = self.work_dir / 'results' / f'{key}.json'
        settings = self._settings(steps)
        kept = json.loads(file.read_text()) if file.is_file() else {'settings': settings, 'figures': {}}
        if kept['settings'] != settings:
            raise InputError(
                f'{file}: results with {kept["settings"]}, asked for {settings}. Give the same options, or '
                'another --work-dir'
            )
        figures = self.results[key] = kept['figures']
        left = {name: each for name, each in self.config.test_sets.items() if name not in figures}
        checkpoint = self.checkpoint(steps, seed) if left else None
        for name, dataset in left.items():
            folder = self.work_dir / 'test' / f'{key}-{name}'
            config = self._prepared(read_config(self.config.filename), folder, seed)
            config.model.bbox_head.temperature = self.config.temperatures.get(name, 0.0)
            dataset = deepcopy(dataset)
            dataset.get('dataset', dataset).indices = self.episodes
            config.load_from, config.test_dataloader.dataset = checkpoint, dataset
            if steps:
                _without_baselines(config)
            metrics = Runner.from_cfg(config).test()
            figures[name] = {name.removeprefix('in_context/'): value for name, value in metrics.items()}
            write_whole(file, json.dumps(kept, indent=1).encode())

    def _settings(self, steps: Sequence[str]) -> dict[str, Any]:
        """What an arm's results hang on, as JSON gives it back."""
        trained = [(self.config.steps[step], self.iters[step]) for step in steps]
        settings = {'pretrained': self.pretrained, 'episodes': self.episodes, 'steps': trained}
        as_read: dict[str, Any] = json.loads(json.dumps(settings))
        return as_read

    def _prepared(self, config: Config, folder: Path, seed: int) -> Config:
        config.work_dir, config.log_level = str(folder), 'WARNING'
        config.experiment_name = config.visualizer.name = f'{folder.name}-{folder.parent.name}'
        config.randomness = dict(seed=seed)
        if self.pretrained is not None:
            config.model.pretrained = self.pretrained
        return config


def read_ablation(path: str) -> Config:
    """The config of an ablation.

    Raises:
        InputError: It lacks a part, or names one that is not there.
    """
    config = read_config(path)
    for key in ('steps', 'arms', 'columns', 'test_sets', 'temperatures'):
        if key not in config:
            raise InputError(f'{path}: no {key}. Give a config like configs/ablations/pairs.py')
    named = {
        'steps': [step for _, steps, _ in config.arms for step in steps],
        'test_sets': [*(test for _, test, _ in config.columns), *config.temperatures],
        'arms': [other for _, _, other in config.arms if other is not None],
    }
    known = {**config, 'arms': [title for title, _, _ in config.arms]}
    for key, names in named.items():
        for name in names:
            if name not in known[key]:
                raise InputError(f'{path}: {name!r} is none of its {key}: {", ".join(known[key])}')
    return config


def read_step(step: str | tuple[str, dict[str, Any]]) -> Config:
    """The config of a training: a file, or a file and what differs, as ``{dotted key: value}``."""
    if isinstance(step, str):
        return read_config(step)
    file, options = step
    return read_config(file, options)


def _iterations(config: Config, stage1: int | None, stage2: int | None) -> dict[str, int]:
    """Of each step: what is asked for, else its config's own."""
    iters = {}
    for name, step in config.steps.items():
        train_cfg = read_step(step).train_cfg
        iters[name] = (stage2 if type_name(train_cfg) == 'GRPOTrainLoop' else stage1) or train_cfg.max_iters
    return iters


def _key(steps: Sequence[str], seed: int) -> str:
    return f'{"-".join(steps)}-seed{seed}' if steps else 'vanilla'


def _without_baselines(config: Config) -> None:
    """Leave template matching, which is slow and the same for each arm, to the base."""
    evaluators = config.test_evaluator
    for each in evaluators if isinstance(evaluators, list) else [evaluators]:
        each.pop('matcher', None)


def _shorten(config: Config, count: int) -> None:
    """Train for ``count`` iterations, the schedule in proportion."""
    ratio = count / config.train_cfg.max_iters
    config.train_cfg.update(max_iters=count, val_interval=count + 1)
    config.default_hooks.checkpoint.update(interval=400, max_keep_ckpts=2)
    for scheduler in config.param_scheduler:
        begin = max(2, round(scheduler.begin * ratio)) if scheduler.begin else 0
        # A warm-up of one iteration would stay at its first learning rate.
        scheduler.update(begin=begin, end=max(begin + 2, round(scheduler.end * ratio)))


def _cell(values: list[float], one: float | None) -> str:
    """Mean and half-width of the 95 % interval: over seeds, or over episodes for one."""
    mean = statistics.mean(values)
    if len(values) > 1:
        half = T.get(len(values) - 1, 1.96) * statistics.stdev(values) / len(values) ** 0.5
    else:
        half = one
    return f'{100 * mean:.1f}' + ('' if half is None else f' ± {100 * half:.1f}')


def _head(columns: Columns) -> list[str]:
    titles = ['', *(title for title, _, _ in columns)]
    return ['| ' + ' | '.join(titles) + ' |', '|---' * len(titles) + '|']


def table(arms: Arms, columns: Columns, results: Results, seeds: list[int]) -> str:
    """Markdown: arms, then baselines; percent."""
    lines = _head(columns)
    for arm, steps, _ in arms:
        runs = [results[_key(steps, seed)] for seed in (seeds if steps else seeds[:1])]
        cells = []
        for _, name, metric in columns:
            # Several answers to one episode are not independent.
            interval = metric == 'mIoU' and name != 'drawn'
            over_episodes = runs[0][name].get('mIoU_95') if interval else None
            cells.append(_cell([run[name][metric] for run in runs], over_episodes))
        lines.append('| ' + ' | '.join([arm, *cells]) + ' |')
    vanilla = results.get(_key([], 0), {})
    for title, metric in BASELINES.items() if vanilla else ():
        cells = [
            f'{100 * vanilla[name][metric]:.1f}' if kind == 'mIoU' and metric in vanilla[name] else ''
            for _, name, kind in columns
        ]
        lines.append('| ' + ' | '.join([title, *cells]) + ' |')
    return '\n'.join(lines)


def differences(arms: Arms, columns: Columns, results: Results, seeds: list[int]) -> str:
    """Markdown: what each part adds, seed by seed, so that what seeds share cancels; percent."""
    lines = _head(columns)
    steps_of = {arm: steps for arm, steps, _ in arms}
    for arm, steps, other in arms:
        if other is None:
            continue
        before = steps_of[other]
        cells = []
        for _, name, metric in columns:
            values = [
                results[_key(steps, seed)][name][metric] - results[_key(before, seed)][name][metric]
                for seed in seeds
            ]
            cells.append(_cell(values, None))
        lines.append('| ' + ' | '.join([f'{arm}, less {other}', *cells]) + ' |')
    return '\n'.join(lines)


def draw_curves(work_dir: Path, file: Path) -> None:
    """Learning curves of every training run found in ``work_dir``, a colour an arm."""
    panels = {
        'loss_lm': 'language-model loss',
        'attention_mass_query': 'attention mass of the answer on the target',
        'rewards/iou/mean': 'IoU reward',
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(15, 4))
    colours: dict[str, str] = {}
    for scalars in sorted(work_dir.glob('*-seed*/*/vis_data/scalars.json')):
        rows = [json.loads(line) for line in scalars.read_text().splitlines()]
        arm = scalars.parents[2].name.rpartition('-seed')[0]
        colour = colours.setdefault(arm, f'C{len(colours)}')
        for axis, (key, title) in zip(axes, panels.items(), strict=True):
            points = [(row['step'], row[key]) for row in rows if key in row]
            if points:
                axis.plot(*zip(*points, strict=True), label=arm, color=colour, linewidth=1)
            axis.set(xlabel='iteration', title=title)
    for axis in axes:
        lines = {line.get_label(): line for line in axis.lines}
        if lines:
            axis.legend(lines.values(), lines.keys(), fontsize=7)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config', help='one of configs/ablations/{pairs,crowds,photographs}.py, or your own')
    parser.add_argument('--work-dir', required=True)
    parser.add_argument('--pretrained', help="folder of the base; default: the configs'")
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--stage1-iters', type=int, help="of each step of stage 1; default: its config's")
    parser.add_argument('--stage2-iters', type=int, help="default: the config's")
    parser.add_argument('--episodes', type=int, default=192, help='of each test set')
    args = parser.parse_args()
    check_folder('--work-dir', args.work_dir)
    check_number('--episodes', args.episodes, low=1, whole=True)
    for seed in args.seeds:
        check_number('--seeds', seed, low=0, whole=True)
    for flag, count in (('--stage1-iters', args.stage1_iters), ('--stage2-iters', args.stage2_iters)):
        check_number(flag, 1 if count is None else count, low=1, whole=True)
    config = read_ablation(args.config)
    work_dir = Path(args.work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    iters = _iterations(config, args.stage1_iters, args.stage2_iters)
    ablation = Ablation(config, work_dir, args.pretrained, iters, args.episodes)
    for seed in args.seeds:
        for arm, steps, _ in config.arms:
            print(f'== {arm}, seed {seed}', flush=True)
            ablation.test(steps, seed)
    parts = (config.arms, config.columns, ablation.results, args.seeds)
    text = table(*parts)
    if len(args.seeds) > 1:
        text += '\n\n' + differences(*parts)
    (work_dir / 'table.md').write_text(text + '\n')
    draw_curves(work_dir, work_dir / 'curves.png')
    print(text)
    first = config.columns[0][1]
    print(json.dumps({key: round(value[first]['mIoU'], 4) for key, value in ablation.results.items()}))


if __name__ == '__main__':
    run_cli(main)
