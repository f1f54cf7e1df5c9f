"""Images that break in the middle of a run."""

import json

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from focus_mmdet.datasets import EpisodeDataset, collate_episodes
from focus_mmdet.errors import InputError

PIPELINE = [
    dict(
        type='ForEachFrame', transforms=[dict(type='LoadFrame'), dict(type='LoadAnnotations', with_bbox=True)]
    ),
    dict(type='PackEpisodeInputs'),
]


@pytest.fixture
def broken(tmp_path):
    """Ten episodes of two images each; those of episodes 3 and 4 break after the check."""

    def build(**options):
        frames = []
        for number in range(20):
            image = Image.fromarray(np.full((30, 40, 3), number, np.uint8))
            image.save(tmp_path / f'{number}.png')
            frames.append(dict(file_name=f'{number}.png', width=40, height=30, bbox=[2, 3, 10, 12]))
        episodes = [dict(supports=[frames[i]], query=frames[i + 1]) for i in range(0, 20, 2)]
        (tmp_path / 'ann.json').write_text(json.dumps({'episodes': episodes}))
        dataset = EpisodeDataset(data_root=str(tmp_path), ann_file='ann.json', pipeline=PIPELINE, **options)
        for number in (6, 9):
            (tmp_path / f'{number}.png').write_bytes(b'broken')
        return dataset

    return build


def loaded(dataset, workers=0):
    batches = DataLoader(dataset, batch_size=2, num_workers=workers, collate_fn=collate_episodes)
    return [sample.img_id for batch in batches for sample in batch['data_samples']]


@pytest.mark.parametrize('workers', [0, 2])
def test_the_next_readable_episode_takes_its_place(broken, tmp_path, workers):
    dataset = broken(max_unreadable=0.1)
    assert loaded(dataset, workers) == [0, 1, 2, 5, 5, 5, 6, 7, 8, 9]
    assert dataset.unreadable.files() == [str(tmp_path / '6.png'), str(tmp_path / '9.png')]


@pytest.mark.parametrize('workers', [0, 2])
def test_more_than_the_rate_is_an_error(broken, workers):
    with pytest.raises(InputError, match=r'\d\.png: cannot be read.*2 of 20 images.*max_unreadable=0\.05'):
        loaded(broken(max_unreadable=0.05), workers)


@pytest.mark.parametrize('options', [{}, {'max_unreadable': 1.0, 'test_mode': True}])
def test_by_default_and_in_tests_one_is_an_error(broken, options):
    with pytest.raises(InputError, match=r'6\.png: cannot be read'):
        loaded(broken(**options))
