"""Draw the episodes of a config's dataset, as the model will see them.

python tools/browse_dataset.py configs/focus_tiny_stage1.py --output-dir episodes --number 20
"""

import argparse
from pathlib import Path

import mmcv
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import KeyValues, check_folder, read_config, run_cli
from focus_mmdet.engine.launch import loader_config
from focus_mmdet.errors import InputError
from focus_mmdet.progress import progress
from focus_mmdet.visualization.episode_visualizer import draw_episode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--output-dir', type=Path, required=True)
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train')
    parser.add_argument('--number', type=int, default=50, help='episodes to draw, spread over the dataset')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    if args.number < 1:
        raise InputError(f'--number {args.number}: draw at least one episode')
    check_folder('--output-dir', args.output_dir)
    config = read_config(args.config, args.cfg_options)
    init_default_scope(config.get('default_scope', 'mmdet'))
    dataset = DATASETS.build(loader_config(config, f'{args.split}_dataloader').dataset)
    number = min(args.number, len(dataset))
    for step in progress(range(number)):
        index = step * len(dataset) // number
        episode = dataset[index]
        strip = draw_episode(episode['inputs'], episode['data_samples'])
        mmcv.imwrite(mmcv.rgb2bgr(strip), str(args.output_dir / f'episode_{index:06d}.png'))
    print(f'{number} of {len(dataset)} episodes in {args.output_dir}')


if __name__ == '__main__':
    run_cli(main)
