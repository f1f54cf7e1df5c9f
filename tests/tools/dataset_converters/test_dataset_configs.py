"""The config of every dataset reads what the commands of its docstring write."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from pycocotools import mask as coco_mask

from focus_mmdet.errors import InputError
from focus_mmdet.visualization.episode_visualizer import draw_episode
from tests.conftest import ROOT
from tests.tools.dataset_converters import test_got10k, test_lasot, test_mot, test_tao, test_youtube_vis
from tests.tools.dataset_converters.conftest import painted, write_frame, write_mask

#: Frames that the default strides keep; an episode of four shots needs five.
SHOWN = 6
SIZE = (60, 56)
BOX = (6, 4, 40, 36)


def tao(root):
    images = [test_tao.image(index, 1, index) for index in range(SHOWN)]
    test_tao.write_tao(root, images, [test_tao.annotation(index, index, 7) for index in range(SHOWN)], [1])
    content = (root / 'annotations/train.json').read_text()
    (root / 'annotations/validation.json').write_text(content)


def lasot(root):
    for name in ('bear-1', 'zebra-1'):
        test_lasot.write_sequence(root, name, [(1, 2, 10, 12)] * 30 * SHOWN)


def got10k(root):
    for split in ('train', 'val'):
        test_got10k.write_sequence(root, 1, [(1, 2, 10, 12)] * 10 * SHOWN, split=split)


def mot(root):
    lines = [f'{number + 1},1,2,3,10,12,1,1,1' for number in range(30 * SHOWN)]
    test_mot.write_sequence(root, 'MOT20-01', lines, frames=30 * SHOWN)


def youtube_vis(root):
    annotations = [test_youtube_vis.annotation(1, 1, [test_youtube_vis.BOX] * SHOWN)]
    test_youtube_vis.write_vis(root, [test_youtube_vis.video(1, SHOWN)], annotations)


def perseg(root):
    for number in range(SHOWN):
        write_frame(root / f'Images/can/{number:02d}.jpg', SIZE)
        write_mask(root / f'Annotations/can/{number:02d}.png', {1: BOX}, SIZE)


def permirs(root):
    rle = coco_mask.encode(np.asfortranarray(painted(SIZE, {1: BOX})))['counts'].decode()
    names = [write_frame(root / f'frames/test/AVA/v/{number}.jpg', SIZE).name for number in range(SHOWN)]
    video = dict(
        dataset='AVA',
        seq_name='v',
        width=SIZE[0],
        height=SIZE[1],
        annotated_image_paths=names,
        segmentations=[{'1': {'rle': rle}, '2': {'rle': rle}} for _ in range(SHOWN)],
        track_category_ids={'1': 5, '2': 5, '3': 5},
    )
    video['segmentations'][0]['3'] = {'rle': rle}  # too short for an episode
    path = root / 'annotations/test/all_classes.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(dict(sequences=[video], categories=[dict(id=5, name='dog')], split='test')))


def davis(root):
    for number in range(SHOWN):
        write_frame(root / f'JPEGImages/480p/bear/{number:05d}.jpg', SIZE)
        write_mask(root / f'Annotations/480p/bear/{number:05d}.png', {1: BOX}, SIZE)
    (root / 'ImageSets/2017').mkdir(parents=True)
    for split in ('train', 'val'):
        (root / f'ImageSets/2017/{split}.txt').write_text('bear\n')


def coco(root, name='instances_{}2017', rare=False):
    images = [
        dict(id=number, width=SIZE[0], height=SIZE[1], coco_url=f'x/train2017/{number}.jpg')
        for number in range(SHOWN)
    ]
    for number in range(SHOWN):
        write_frame(root / f'train2017/{number}.jpg', SIZE)
    boxes = [dict(id=number, image_id=number, category_id=1, bbox=BOX) for number in range(SHOWN)]
    if rare:
        boxes.append(dict(id=SHOWN, image_id=0, category_id=2, bbox=BOX))
    classes = [dict(id=1, name='dog'), dict(id=2, name='rare')]
    content = dict(images=images, annotations=boxes, categories=classes)
    (root / 'annotations').mkdir()
    for split in ('train', 'val'):
        path = root / 'annotations' / f'{name.format(split)}.json'
        path.write_text(json.dumps(content))


def lvis(root):
    coco(root, 'lvis_v1_{}', rare=True)


def folder(root):
    for name in ('duck', 'pen'):
        rows = [
            write_frame(root / name / f'{number}.jpg', SIZE).name + ',6,4,46,40' for number in range(SHOWN)
        ]
        (root / name / 'boxes.csv').write_text('\n'.join(['file,x1,y1,x2,y2', *rows]))


def commands(path, root):
    """The converters that a config's docstring calls, with their arguments, on ``root``."""
    for line in ast.get_docstring(ast.parse(path.read_text())).splitlines():
        if line.startswith('python tools/dataset_converters/'):
            script, *arguments = line.split()[1:]
            yield Path(script).stem, [re.sub('^data/[^/]+', str(root), word) for word in arguments]


#: How many episodes the fixture gives in training and in test; None where TAO is used.
EPISODES = {
    tao: (1, 1), lasot: (1, 1), got10k: (1, 1), mot: (1, None), youtube_vis: (1, None),
    perseg: (None, 1), permirs: (None, 2), davis: (1, 1), coco: (6, 6), lvis: (64, 1), folder: (64, 8),
}  # fmt: skip


@pytest.mark.parametrize('write', EPISODES, ids=lambda write: write.__name__)
def test_a_config_reads_what_its_converter_writes(convert, tmp_path, write):
    path = ROOT / f'configs/_base_/datasets/{write.__name__}.py'
    config = Config.fromfile(str(path))
    write(tmp_path)
    for name, arguments in commands(path, tmp_path):
        done = convert(name, *arguments)
        assert done.status == 0, done.err
    assert config.test_dataloader == config.val_dataloader
    for part, count in zip(('train', 'val'), EPISODES[write], strict=True):
        settings = config[f'{part}_dataloader'].dataset
        if count is None:
            assert settings.data_root == 'data/tao/'
            continue
        with pytest.raises(InputError, match=f'{settings.data_root}{settings.ann_file}: no such annotation'):
            DATASETS.build(dict(settings))
        dataset = DATASETS.build(dict(settings, data_root=f'{tmp_path}/'))
        assert len(dataset) == count
        episode = dataset[0]
        shots = settings.episodes.shots if 'episodes' in settings else int(settings.ann_file[-11])
        assert len(episode['inputs']) == shots + 1
        assert len(episode['data_samples'].supports) == shots
        # As tools/browse_dataset.py shows it: a panel a frame.
        strip = draw_episode(episode['inputs'], episode['data_samples'])
        assert strip.shape[0] > 256
        assert strip.shape[1] > 200 * (shots + 1)
