"""The dataset configs find what the converters write where they write it."""

import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config

from tests.conftest import ROOT
from tests.dataset_converters import test_got10k, test_lasot, test_mot, test_tao, test_youtube_vis

FRAMES = 5


def write_tao(root, split):
    images = [test_tao.image(index, 1, index) for index in range(FRAMES)]
    test_tao.write_tao(root, images, [test_tao.annotation(index, index, 7) for index in range(FRAMES)], [1])
    (root / 'annotations/train.json').rename(root / f'annotations/{split}.json')


def write_youtube_vis(root, split):
    boxes = [test_youtube_vis.BOX] * FRAMES
    annotations = [test_youtube_vis.annotation(1, 1, boxes)]
    test_youtube_vis.write_vis(root, [test_youtube_vis.video(1, FRAMES)], annotations)


def write_lasot(root, split):
    name = {'train': 'bear-1', 'test': 'zebra-1'}[split]
    test_lasot.write_sequence(root, name, test_lasot.moving(FRAMES))


def write_got10k(root, split):
    test_got10k.write_sequence(root, 1, test_got10k.moving(FRAMES), split=split)


def write_mot(root, split):
    lines = [f'{number},1,2,3,10,12,1,1,1' for number in range(1, FRAMES + 1)]
    test_mot.write_sequence(root, 'MOT20-01', lines, frames=FRAMES)


@pytest.mark.parametrize(
    ('name', 'split', 'part', 'write'),
    [
        ('tao', 'train', 'train', write_tao),
        ('tao', 'validation', 'val', write_tao),
        ('lasot', 'train', 'train', write_lasot),
        ('lasot', 'test', 'val', write_lasot),
        ('got10k', 'train', 'train', write_got10k),
        ('got10k', 'val', 'val', write_got10k),
        ('mot', 'train', 'train', write_mot),
        ('youtube_vis', 'train', 'train', write_youtube_vis),
    ],
)
def test_an_episode_can_be_loaded(convert, tmp_path, name, split, part, write):
    write(tmp_path, split)
    done = convert(name, tmp_path, '--split', split, '--stride', 1)
    assert done.status == 0, done.err
    config = Config.fromfile(str(ROOT / f'configs/_base_/datasets/{name}.py'))
    if part == 'val':
        images = tmp_path / config.val_dataloader.dataset.data_prefix.img
        ends = ['--image-root', images, '--protocol', name, '--shots', 4]
        done = convert('make_episodes', tmp_path / f'{split}.json', tmp_path / f'{split}_4shots.json', *ends)
        assert done.status == 0, done.err
    dataset = DATASETS.build(dict(config[f'{part}_dataloader'].dataset, data_root=f'{tmp_path}/'))
    assert len(dataset) == 1
    assert len(dataset[0]['inputs']) == FRAMES
