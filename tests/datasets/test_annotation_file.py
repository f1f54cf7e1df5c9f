"""Each mistake in an annotation file is named with its file and record."""

import copy
import json

import numpy as np
import pytest
from PIL import Image

from focus_mmdet.datasets import EpisodeDataset
from focus_mmdet.errors import InputError

PIPELINE: list = []


@pytest.fixture
def coco(tmp_path):
    """Two objects in three 40 x 30 images each, written to disk."""
    images, annotations = [], []
    for number in range(6):
        Image.fromarray(np.full((30, 40, 3), 40 * number, np.uint8)).save(tmp_path / f'{number}.png')
        images.append(
            dict(
                id=number,
                file_name=f'{number}.png',
                width=40,
                height=30,
                video_id=number // 3,
                frame_id=number,
            )
        )
        annotations.append(
            dict(
                id=number,
                image_id=number,
                instance_id=number // 3,
                bbox=[2 + number, 3, 10, 12],
                category_id=1,
            )
        )
    return dict(images=images, annotations=annotations, categories=[dict(id=1, name='object')])


def load(tmp_path, content, **options):
    (tmp_path / 'ann.json').write_text(content if isinstance(content, str) else json.dumps(content))
    options.setdefault('episodes', dict(type='UniformSpanEpisodes', shots=2))
    return EpisodeDataset(data_root=str(tmp_path), ann_file='ann.json', pipeline=PIPELINE, **options)


def test_records_are_episodes_with_boxes_as_corners(tmp_path, coco):
    dataset = load(tmp_path, coco)
    assert len(dataset) == 2
    record = dataset.get_data_info(1)
    assert [frame['img_path'][-5:] for frame in record['supports']] == ['3.png', '4.png']
    assert record['img_path'].endswith('5.png')
    assert record['instances'][0]['bbox'] == [7, 3, 17, 15]
    assert [dataset.get_data_info(i)['img_id'] for i in range(2)] == [0, 1]


def change(key, index, **values):
    def apply(content):
        content[key][index].update(values)

    return apply


def remove(key, index, name):
    def apply(content):
        del content[key][index][name]

    return apply


MISTAKES = {
    'box of zeros': (change('annotations', 4, bbox=[0, 0, 0, 0]), r'annotations\[4\].*empty'),
    'box outside': (change('annotations', 4, bbox=[35, 3, 10, 12]), r'annotations\[4\].*outside its 40 x 30'),
    'box not numbers': (change('annotations', 4, bbox=[1, 2, 'x', 4]), r'annotations\[4\].*four finite'),
    'box of three': (change('annotations', 4, bbox=[1, 2, 3]), r'annotations\[4\].*four finite'),
    'box NaN': (change('annotations', 4, bbox=[1, 2, float('nan'), 4]), r'annotations\[4\].*four finite'),
    'unknown key': (change('annotations', 4, instanceid=3), r'annotations\[4\].*unknown key instanceid'),
    'no instance': (remove('annotations', 4, 'instance_id'), r'annotations\[4\].*missing instance_id'),
    'no such image': (change('annotations', 4, image_id=99), r'annotations\[4\].*image_id 99'),
    'missing file': (
        change('images', 4, file_name='gone.png'),
        r'annotations\[4\].*gone\.png does not exist',
    ),
    'twice in a frame': (change('annotations', 4, image_id=3), r'annotations\[4\].*two boxes in one frame'),
}


@pytest.mark.parametrize('name', MISTAKES)
def test_a_bad_record_is_an_error_or_dropped(tmp_path, coco, name):
    spoil, message = MISTAKES[name]
    spoil(coco)
    with pytest.raises(InputError, match=message) as error:
        load(tmp_path, coco)
    assert 'ann.json' in str(error.value)
    # Without that record the second object is one image short of two shots.
    assert len(load(tmp_path, coco, bad_records='drop')) == 1


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{', 'not valid JSON'),
        ('[]', 'JSON object'),
        ('{"images": []}', "no list 'annotations'"),
        ('{"images": [], "annotations": []}', 'no episode'),
    ],
)
def test_files_that_are_no_annotations(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        load(tmp_path, content)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r'nowhere\.json'):
        EpisodeDataset(
            data_root=str(tmp_path),
            ann_file='nowhere.json',
            episodes=dict(type='UniformSpanEpisodes'),
            pipeline=PIPELINE,
        )


def test_an_object_with_too_few_images_is_named(tmp_path, coco):
    with pytest.raises(InputError, match=r'ann\.json: instance_id 0: 3 images .* 4 shots need 5'):
        load(tmp_path, coco, episodes=dict(type='UniformSpanEpisodes', shots=4))


def test_duplicate_image_ids_are_an_error_even_when_dropping(tmp_path, coco):
    coco['images'][1]['id'] = 0
    with pytest.raises(InputError, match=r'images\[1\].*used twice'):
        load(tmp_path, coco, bad_records='drop')


def frame(number, **changes):
    return dict(file_name=f'{number}.png', width=40, height=30, bbox=[2, 3, 10, 12]) | changes


def test_a_manifest_lists_its_episodes(tmp_path, coco):
    manifest = dict(episodes=[dict(id=7, supports=[frame(0), frame(1)], query=frame(2))])
    dataset = load(tmp_path, manifest, episodes=None)
    assert len(dataset) == 1
    assert len(dataset.get_data_info(0)['supports']) == 2


@pytest.mark.parametrize(
    ('record', 'message'),
    [
        (dict(supports=[], query=frame(1)), r'episodes\[1\].*at least one'),
        (dict(supports=[frame(0)]), r'episodes\[1\].*missing query'),
        (dict(supports=[frame(0)], query=frame(1, score=1)), r'episodes\[1\] query: unknown key score'),
        (dict(supports=[frame(0, bbox=[0, 0, 0, 0])], query=frame(1)), r'supports\[0\].*empty'),
        (dict(supports=[frame(0)], query=frame(9)), r'9\.png does not exist'),
    ],
)
def test_bad_episodes_of_a_manifest(tmp_path, coco, record, message):
    good = dict(supports=[frame(0)], query=frame(1))
    manifest = dict(episodes=[good, record])
    with pytest.raises(InputError, match=message):
        load(tmp_path, copy.deepcopy(manifest), episodes=None)
    assert len(load(tmp_path, manifest, episodes=None, bad_records='drop')) == 1


def test_episode_settings_that_contradict_the_file(tmp_path, coco):
    with pytest.raises(InputError, match='how to pick'):
        load(tmp_path, coco, episodes=None)
    manifest = dict(episodes=[dict(supports=[frame(0)], query=frame(1))])
    with pytest.raises(InputError, match='remove the key episodes'):
        load(tmp_path, manifest)
