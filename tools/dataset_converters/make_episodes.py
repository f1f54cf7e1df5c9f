"""Fix the episodes of a COCO file with instances in a manifest.

    python tools/dataset_converters/make_episodes.py data/lasot/test.json data/lasot/test_4shots.json \\
        --image-root data/lasot --protocol lasot --shots 4
    python tools/dataset_converters/make_episodes.py data/mine/test.json data/mine/episodes.json \\
        --episodes type=RandomEpisodes shots=1,2,4 per_track=8 min_gap=30 negatives=0.2

The manifest says how it was made, with the sha256 of the annotation file; the
same input gives the same bytes.
"""

import argparse
import logging
from pathlib import Path

from mmdet.registry import TASK_UTILS
from mmengine.logging import print_log

import focus_mmdet  # noqa: F401  registers the samplers
from focus_mmdet.cli import KeyValues, check_folder, run_cli
from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.conversion.manifest import write_manifest
from focus_mmdet.datasets.episodes.drawing import draw_episodes
from focus_mmdet.datasets.episodes.samplers import EpisodeSampler
from focus_mmdet.datasets.protocols import PROTOCOLS
from focus_mmdet.engine.registered import is_registered
from focus_mmdet.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('annotations', type=Path, help='COCO JSON with instance_id and video_id')
    parser.add_argument('out', type=Path, help='the manifest to write')
    parser.add_argument('--image-root', type=Path, help='default: the folder of the annotations')
    parser.add_argument('--protocol', choices=sorted(PROTOCOLS), help='how a benchmark makes its episodes')
    parser.add_argument('--shots', type=int, default=1, help='with --protocol; default: %(default)s')
    parser.add_argument(
        '--episodes', nargs='+', action=KeyValues, metavar='KEY=VALUE', help='or: settings of a sampler'
    )
    parser.add_argument('--keep-going', action='store_true', help='leave bad records out, and say which')
    args = parser.parse_args()
    if (args.protocol is None) == (args.episodes is None):
        raise InputError('give either --protocol or --episodes')
    settings = args.episodes or {**PROTOCOLS[args.protocol], 'shots': args.shots}
    if not is_registered(settings.get('type'), EpisodeSampler):
        raise InputError(f'--episodes {settings}: type= must name an episode sampler, e.g. RandomEpisodes')
    check_folder('out', args.out.parent)
    root = args.image_root or args.annotations.parent
    file = AnnotationFile(str(args.annotations), str(root), drop_bad=args.keep_going)
    episodes = draw_episodes(TASK_UTILS.build(dict(settings)), file)
    for dropped in file.dropped:
        print_log(f'left out: {dropped}', 'current', logging.WARNING)
    write_manifest(args.out, episodes, root, args.annotations, settings, len(file.dropped))
    absent = sum(episode.query.box is None for episode in episodes)
    print(f'{args.out}: {len(episodes)} episodes, {absent} without the object, {len(file.dropped)} left out')


if __name__ == '__main__':
    run_cli(main)
