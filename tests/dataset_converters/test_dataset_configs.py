"""The config of every dataset reads what its converter writes, and says what is missing."""

import json
import re

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from pycocotools import mask as coco_mask

from focus_mmdet.errors import InputError
from tests.conftest import ROOT
from tests.dataset_converters import test_got10k, test_lasot, test_mot, test_tao, test_youtube_vis
from tests.dataset_converters.conftest import painted, write_frame, write_mask

FRAMES = range(6)
SIZE = (60, 56)
BOX = (6, 4, 40, 36)


def tao(root, convert):
    images = [test_tao.image(index, 1, index) for index in FRAMES]
    test_tao.write_tao(root, images, [test_tao.annotation(index, index, 7) for index in FRAMES], [1])
    content = (root / 'annotations/train.json').read_text()
    (root / 'annotations/validation.json').write_text(content)
    for split in ('train', 'validation'):
        convert('tao', root, '--split', split)


def lasot(root, convert):
    for split, name in (('train', 'bear-1'), ('test', 'zebra-1')):
        test_lasot.write_sequence(root, name, test_lasot.moving(len(FRAMES)))
        convert('lasot', root, '--split', split, '--stride', 1)


def got10k(root, convert):
    for split in ('train', 'val'):
        test_got10k.write_sequence(root, 1, test_got10k.moving(len(FRAMES)), split=split)
        convert('got10k', root, '--split', split, '--stride', 1)


def mot(root, convert):
    lines = [f'{number + 1},1,2,3,10,12,1,1,1' for number in FRAMES]
    test_mot.write_sequence(root, 'MOT20-01', lines, frames=len(FRAMES))
    convert('mot', root, '--stride', 1)


def youtube_vis(root, convert):
    annotations = [test_youtube_vis.annotation(1, 1, [test_youtube_vis.BOX] * len(FRAMES))]
    test_youtube_vis.write_vis(root, [test_youtube_vis.video(1, len(FRAMES))], annotations)
    convert('youtube_vis', root)


def perseg(root, convert):
    for number in FRAMES:
        write_frame(root / f'Images/can/{number:02d}.jpg', SIZE)
        write_mask(root / f'Annotations/can/{number:02d}.png', {1: BOX}, SIZE)
    convert('perseg', root)


def permirs(root, convert):
    rle = coco_mask.encode(np.asfortranarray(painted(SIZE, {1: BOX})))['counts'].decode()
    names = [write_frame(root / f'frames/test/AVA/v/{number}.jpg', SIZE).name for number in FRAMES]
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
    path.write_text(json.dumps(dict(sequences=[video], categories=[dict(id=5, name='dog')], split='test')))
    convert('burst', root, '--split', 'test', '--same-class')


def davis(root, convert):
    for number in FRAMES:
        write_frame(root / f'JPEGImages/480p/bear/{number:05d}.jpg', SIZE)
        write_mask(root / f'Annotations/480p/bear/{number:05d}.png', {1: BOX}, SIZE)
    (root / 'ImageSets/2017').mkdir(parents=True)
    for split in ('train', 'val'):
        (root / f'ImageSets/2017/{split}.txt').write_text('bear\n')
        convert('davis', root, '--split', split)


def coco(root, convert, name='instances_{}2017', identity='crop'):
    images = [
        dict(id=number, width=SIZE[0], height=SIZE[1], coco_url=f'x/train2017/{number}.jpg')
        for number in FRAMES
    ]
    for number in FRAMES:
        write_frame(root / f'train2017/{number}.jpg', SIZE)
    boxes = [dict(id=number, image_id=number, category_id=1, bbox=BOX) for number in FRAMES]
    content = dict(images=images, annotations=boxes, categories=[dict(id=1, name='dog')])
    (root / 'annotations').mkdir()
    for split in ('train', 'val'):
        path = root / 'annotations' / f'{name.format(split)}.json'
        path.write_text(json.dumps(content))
        convert('coco', root, '--split', path.stem.removeprefix('instances_'), '--identity', identity)


def lvis(root, convert):
    coco(root, convert, 'lvis_v1_{}', 'class')


def folder(root, convert):
    for name in ('duck', 'pen'):
        rows = [write_frame(root / name / f'{number}.jpg', SIZE).name + ',6,4,46,40' for number in FRAMES]
        (root / name / 'boxes.csv').write_text('\n'.join(['file,x1,y1,x2,y2', *rows]))
    convert('folder', root)
    convert('split_by_instance', root / 'annotations.json', '--test-fraction', '0.5')


def fix_episodes(root, settings, convert):
    """Write the manifest that a config reads; its shots."""
    split, shots = re.fullmatch(r'(.*)_(\d)shots.json', settings.ann_file).groups()
    source = root / f'{split}.json'
    source = source if source.exists() else root / 'annotations.json'
    sampler = ['--episodes', 'type=UniformSpanEpisodes', f'shots={shots}']
    images = ['--image-root', root / settings.data_prefix.img]
    done = convert('make_episodes', source, root / settings.ann_file, *images, *sampler)
    assert done.status == 0, done.err
    return int(shots)


#: How many episodes the fixture gives in training and in test; None where TAO is used.
EPISODES = {
    tao: (1, 1), lasot: (1, 1), got10k: (1, 1), mot: (1, None), youtube_vis: (1, None),
    perseg: (None, 1), permirs: (None, 2), davis: (1, 1), coco: (6, 6), lvis: (64, 1), folder: (64, 8),
}  # fmt: skip


@pytest.mark.parametrize('write', EPISODES, ids=lambda write: write.__name__)
def test_a_config_reads_what_its_converter_writes(convert, tmp_path, write):
    config = Config.fromfile(str(ROOT / f'configs/_base_/datasets/{write.__name__}.py'))
    write(tmp_path, convert)
    assert config.test_dataloader == config.val_dataloader
    for part, count in zip(('train', 'val'), EPISODES[write], strict=True):
        settings = config[f'{part}_dataloader'].dataset
        if count is None:
            assert settings.data_root == 'data/tao/'
            continue
        with pytest.raises(InputError, match=f'{settings.data_root}{settings.ann_file}: no such annotation'):
            DATASETS.build(dict(settings))
        shots = (
            settings.episodes.shots if 'episodes' in settings else fix_episodes(tmp_path, settings, convert)
        )
        dataset = DATASETS.build(dict(settings, data_root=f'{tmp_path}/'))
        assert len(dataset) == count
        episode = dataset[0]
        assert len(episode['inputs']) == shots + 1
        assert len(episode['data_samples'].supports) == shots
