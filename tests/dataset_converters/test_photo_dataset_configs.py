"""The config of every dataset reads what its converter writes, and says what is missing."""

import copy
import json
import re

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from pycocotools import mask as coco_mask

from focus_mmdet.errors import InputError
from tests.conftest import ROOT
from tests.dataset_converters.running import convert, painted, palette_mask, photo

FRAMES = range(6)
SIZE = (60, 56)
BOX = (6, 4, 40, 36)


def perseg(root):
    for number in FRAMES:
        photo(root / f'Images/can/{number:02d}.jpg', SIZE)
        palette_mask(root / f'Annotations/can/{number:02d}.png', {1: BOX}, SIZE)
    convert('perseg', root)


def permirs(root):
    rle = coco_mask.encode(np.asfortranarray(painted(SIZE, {1: BOX})))['counts'].decode()
    names = [photo(root / f'frames/test/AVA/v/{number}.jpg', SIZE).name for number in FRAMES]
    video = dict(
        dataset='AVA',
        seq_name='v',
        width=SIZE[0],
        height=SIZE[1],
        annotated_image_paths=names,
        segmentations=[{'1': {'rle': rle}, '2': {'rle': rle}} for _ in FRAMES],
        track_category_ids={'1': 5, '2': 5},
    )
    path = root / 'annotations/test/all_classes.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(dict(sequences=[video], categories=[], split='test')))
    convert('burst', root, '--split', 'test', '--same-class')


def davis(root):
    for number in FRAMES:
        photo(root / f'JPEGImages/480p/bear/{number:05d}.jpg', SIZE)
        palette_mask(root / f'Annotations/480p/bear/{number:05d}.png', {1: BOX}, SIZE)
    (root / 'ImageSets/2017').mkdir(parents=True)
    for split in ('train', 'val'):
        (root / f'ImageSets/2017/{split}.txt').write_text('bear\n')
        convert('davis', root, '--split', split)


def coco(root, name='instances_{}2017', identity='crop'):
    images = [
        dict(id=number, width=SIZE[0], height=SIZE[1], coco_url=f'x/train2017/{number}.jpg')
        for number in FRAMES
    ]
    for number in FRAMES:
        photo(root / f'train2017/{number}.jpg', SIZE)
    boxes = [dict(id=number, image_id=number, category_id=1, bbox=BOX) for number in FRAMES]
    content = dict(images=images, annotations=boxes, categories=[dict(id=1, name='dog')])
    (root / 'annotations').mkdir()
    for split in ('train', 'val'):
        path = root / 'annotations' / f'{name.format(split)}.json'
        path.write_text(json.dumps(content))
        convert('coco', root, '--split', path.stem.removeprefix('instances_'), '--identity', identity)


def lvis(root):
    coco(root, 'lvis_v1_{}', 'class')


def folder(root):
    for name in ('duck', 'pen'):
        rows = [photo(root / name / f'{number}.jpg', SIZE).name + ',6,4,46,40' for number in FRAMES]
        (root / name / 'boxes.csv').write_text('\n'.join(['file,x1,y1,x2,y2', *rows]))
    convert('folder', root)
    convert('split_by_instance', root / 'annotations.json', '--test-fraction', '0.5')


def fix_episodes(root, settings):
    """Write the manifest that a config reads; its shots."""
    split, shots = re.fullmatch(r'(.*)_(\d)shots.json', settings.ann_file).groups()
    source = root / f'{split}.json'
    source = source if source.exists() else root / 'annotations.json'
    sampler = ['--episodes', 'type=UniformSpanEpisodes', f'shots={shots}']
    convert('make_episodes', source, root / settings.ann_file, *sampler)
    return int(shots)


#: How many episodes the fixture gives in training and in test; None where TAO is trained on.
EPISODES = {
    perseg: (None, 1), permirs: (None, 2), davis: (1, 1), coco: (6, 6), lvis: (64, 1), folder: (64, 8),
}  # fmt: skip


@pytest.mark.parametrize('write', EPISODES, ids=lambda write: write.__name__)
def test_a_config_reads_what_its_converter_writes(tmp_path, write):
    config = Config.fromfile(str(ROOT / f'configs/_base_/datasets/{write.__name__}.py'))
    write(tmp_path)
    assert config.test_dataloader == config.val_dataloader
    for part, count in zip(('train', 'val'), EPISODES[write], strict=True):
        settings = copy.deepcopy(config[f'{part}_dataloader'].dataset)
        if count is None:
            assert settings.data_root == 'data/tao/'
            continue
        folder_name = settings.data_root
        with pytest.raises(InputError, match=f'{folder_name}{settings.ann_file}: no such annotation file'):
            DATASETS.build(settings)
        settings.data_root = f'{tmp_path}/'
        shots = settings.episodes.shots if 'episodes' in settings else fix_episodes(tmp_path, settings)
        dataset = DATASETS.build(settings)
        assert len(dataset) == count
        episode = dataset[0]
        assert len(episode['inputs']) == shots + 1
        assert len(episode['data_samples'].supports) == shots
