"""Per layer, what the query image attends to: before and after training.

    python tools/analysis_tools/attention_report.py CONFIG \\
        before=none after=work_dirs/x/iter_800.pth --out-dir report

Prints a table per model and writes report/attention.png. The shares of a
layer sum to 1: means over heads, query-image tokens and test episodes. The
last line is JSON: shares by model, kind and layer.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')

import torch
from matplotlib import pyplot
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from focus_mmdet.apis.export import load_detector
from focus_mmdet.cli import KeyValues, check_folder, name_values, read_config, run_cli
from focus_mmdet.datasets import collate_episodes
from focus_mmdet.engine.launch import loader_config
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.models.episode_batch import EpisodeBatch, pad
from focus_mmdet.models.vlm.attention_probe import MassProbe
from focus_mmdet.type_name import type_name

KINDS = ('box text', 'supports in box', 'supports outside box', 'other text', 'query image')


def columns(batch: EpisodeBatch) -> torch.Tensor:
    """(T, 5) indicators of ``KINDS`` for one episode; every token is in one."""
    marks = {name: mark[0] for name, mark in batch.marks.items()}
    query = marks['query_image']
    outside = marks['support_image'] & ~marks['box_region']
    other = ~(marks['box_text'] | marks['support_image'] | query)
    return torch.stack([marks['box_text'], marks['box_region'], outside, other, query], 1)


@torch.no_grad()
def shares(model: Any, episodes: list[dict[str, Any]]) -> torch.Tensor:
    """(layers, 5) mean attention of the query image to each of ``KINDS``."""
    vlm, sums = model.bbox_head.vlm, []
    for episode in episodes:
        batch = model.data_preprocessor(collate_episodes([episode]))['inputs']
        ids, mask = pad(batch.prompt_ids, model.pad_id, 'right')
        positions, _ = vlm.prompt_positions(ids, mask, batch.vision)
        probe = MassProbe(first=[0], spans=[[(batch.query_rows[0], columns(batch))]])
        vlm(ids, mask, positions, vlm.image_features(batch), probe=probe)
        rows = batch.marks['query_image'][0][slice(*batch.query_rows[0])]
        sums.append(torch.stack([probe.per_layer[layer][0][rows].mean(0) for layer in range(vlm.layers)]))
    return torch.stack(sums).mean(0).cpu()


def draw(figures: dict[str, torch.Tensor], path: Path) -> None:
    """One panel per model, shares stacked over layers."""
    _, axes = pyplot.subplots(1, len(figures), figsize=(5 * len(figures), 4), squeeze=False, sharey=True)
    for axis, (name, table) in zip(axes[0], figures.items(), strict=True):
        axis.stackplot(range(len(table)), table.T.numpy(), labels=KINDS)
        axis.set(title=name, xlabel='layer', ylim=(0, 1))
    axes[0][0].set_ylabel('attention of the query image')
    axes[0][-1].legend(loc='lower right', fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    pyplot.tight_layout()
    pyplot.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoints', nargs='+', metavar='NAME=CHECKPOINT')
    parser.add_argument('--out-dir', type=Path, required=True)
    parser.add_argument('--episodes', type=int, default=50)
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    check_folder('--out-dir', args.out_dir)
    check_number('--episodes', args.episodes, low=1, whole=True)
    named = name_values(args.checkpoints, 'NAME=CHECKPOINT, or NAME=none')
    config = read_config(args.config, args.cfg_options)
    if type_name(config.model) != 'FocusDetector':
        raise InputError(
            f'{args.config}: {type_name(config.model)} gives no attention; give a config of FocusDetector'
        )
    init_default_scope(config.get('default_scope', 'mmdet'))
    dataset = DATASETS.build(loader_config(config, 'test_dataloader').dataset)
    count = min(args.episodes, len(dataset))
    episodes = [dataset[step * len(dataset) // count] for step in range(count)]
    figures: dict[str, torch.Tensor] = {}
    for name, checkpoint in named.items():
        model = load_detector(config, None if checkpoint == 'none' else checkpoint)
        figures[name] = shares(model.to('cuda' if torch.cuda.is_available() else 'cpu'), episodes)
        print(f'\n{name}: {count} episodes\nlayer' + ''.join(f'{kind:>22}' for kind in KINDS))
        for layer, row in enumerate(figures[name].tolist()):
            print(f'{layer:>5}' + ''.join(f'{value:>22.4f}' for value in row))
    draw(figures, args.out_dir / 'attention.png')
    report = {
        name: {kind: [round(v, 4) for v in table[:, i].tolist()] for i, kind in enumerate(KINDS)}
        for name, table in figures.items()
    }
    print(f'\nwrote {args.out_dir / "attention.png"}\n{json.dumps(report)}')


if __name__ == '__main__':
    run_cli(main)
