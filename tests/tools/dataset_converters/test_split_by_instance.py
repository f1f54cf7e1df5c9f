"""The parts share no object and no video, however those are chained."""

import json

import pytest

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from tests.tools.dataset_converters.conftest import write_frame


def test_what_is_chained_by_objects_and_videos_stays_together(convert, tmp_path):
    links = [(1, 'a'), (2, 'b'), (3, 'c'), (2, 'a'), (4, 'd'), (3, 'b'), (5, 'e'), (6, 'e'), (7, 'f')]
    images = [
        dict(id=number, file_name=f'{number}.png', width=40, height=30, video_id=video, frame_id=number)
        for number, (_, video) in enumerate(links)
    ]
    annotations = [
        dict(id=number, image_id=number, instance_id=instance, bbox=[1, 2, 3, 4])
        for number, (instance, _) in enumerate(links)
    ]
    for image in images:
        write_frame(tmp_path / image['file_name'])
    path = tmp_path / 'all.json'
    path.write_text(json.dumps(dict(images=images, annotations=annotations)))
    found = set()
    for seed in range(8):
        done = convert('split_by_instance', path, '--test-fraction', '0.25', '--seed', seed)
        assert done.status == 0, done.err
        test = json.loads((tmp_path / 'test.json').read_text())
        found.add(tuple(sorted({record['instance_id'] for record in test['annotations']})))
    assert found <= {(1, 2, 3), (4,), (5, 6), (7,)}
    assert len(found) > 1


def content(absent):
    images = [
        dict(id=number, file_name=f'{number}.png', width=40, height=30, video_id=video, frame_id=number)
        for number, video in enumerate(['a', 'a', 'b', 'c', 'd'])
    ]
    images[1]['absent'] = images[3]['absent'] = [absent]
    annotations = [
        dict(id=number, image_id=number, instance_id=number, bbox=[1, 2, 3, 4]) for number in (0, 2)
    ]
    return dict(images=images, annotations=annotations)


def test_images_without_a_box_go_with_their_video_or_their_absent_object(convert, tmp_path):
    path = tmp_path / 'all.json'
    path.write_text(json.dumps(content(absent=0)))
    for number in range(5):
        write_frame(tmp_path / f'{number}.png')
    done = convert('split_by_instance', path, '--test-fraction', '0.5')
    assert done.status == 0, done.err
    parts = [json.loads((tmp_path / f'{name}.json').read_text()) for name in ('train', 'test')]
    assert sorted([image['id'] for image in part['images']] for part in parts) == [[0, 1, 3], [2]]
    assert 'left out: 1 images of videos without a box' in done.out


def test_a_gallery_looks_for_the_test_objects_in_all_images(convert, tmp_path):
    path = tmp_path / 'all.json'
    path.write_text(json.dumps(content(absent=0)))
    for number in range(5):
        write_frame(tmp_path / f'{number}.png')
    done = convert('split_by_instance', path, '--test-fraction', '0.5', '--gallery')
    assert done.status == 0, done.err
    test, gallery = (json.loads((tmp_path / f'{name}.json').read_text()) for name in ('test', 'gallery'))
    assert gallery['annotations'] == test['annotations']
    asked = {box['instance_id'] for box in test['annotations']}
    mine = {image['id'] for image in test['images']}
    for image in gallery['images']:
        assert image['id'] in mine or set(image['absent']) == asked
    tracks = AnnotationFile(str(tmp_path / 'gallery.json'), str(tmp_path)).tracks()
    lacking = {frame.path for track in tracks for frame in track.absent}
    assert len(lacking) >= 5 - len(mine)


@pytest.mark.parametrize(
    ('key', 'values', 'message'),
    [
        ('annotations', dict(bbox=None), 'bbox is null'),
        (
            'annotations',
            dict(bbox=[0.25, 0.25, 0.375, 0.5]),
            'looks like fractions of the image: give pixels',
        ),
        ('images', dict(file_name='../0.png'), "file_name '../0.png' leaves the data root"),
    ],
)
def test_what_training_would_refuse_is_not_split(convert, tmp_path, key, values, message):
    made = content(absent=0)
    made[key][0].update(values)
    for number in range(5):
        write_frame(tmp_path / f'{number}.png')
    path = tmp_path / 'all.json'
    path.write_text(json.dumps(made))
    assert convert('split_by_instance', path).refused(message)
    assert not (tmp_path / 'train.json').exists()


def test_images_outside_are_split_where_an_option_allows_it(convert, tmp_path):
    made = content(absent=0)
    for image in made['images']:
        image['file_name'] = str(write_frame(tmp_path / 'images' / image['file_name']))
    (tmp_path / 'annotations').mkdir()
    path = tmp_path / 'annotations/all.json'
    path.write_text(json.dumps(made))
    done = convert('split_by_instance', path, '--test-fraction', '0.5', '--allow-outside')
    assert done.status == 0, done.err


def test_image_ids_may_be_numbers_and_text(convert, tmp_path):
    made = content(absent=0)
    made['images'][2]['id'] = made['annotations'][1]['image_id'] = 'b'
    for number in range(5):
        write_frame(tmp_path / f'{number}.png')
    (tmp_path / 'all.json').write_text(json.dumps(made))
    assert convert('split_by_instance', tmp_path / 'all.json', '--test-fraction', '0.5').status == 0


def test_no_file_is_replaced_but_its_own(convert, tmp_path):
    for number in range(5):
        write_frame(tmp_path / f'{number}.png')
    text = json.dumps(content(absent=0))
    for name in ('train.json', 'test.json'):
        (tmp_path / name).write_text(text)
        assert convert('split_by_instance', tmp_path / name).refused('rename it')
        (tmp_path / 'all.json').write_text(text)
        for foreign in (text.replace('4.png', 'other.png'), text, '{"videos": []}', '[]', 'mine'):
            (tmp_path / name).write_text(foreign)
            assert convert('split_by_instance', tmp_path / 'all.json').refused(f'{name}: exists')
            assert (tmp_path / name).read_text() == foreign
        (tmp_path / name).unlink()
    (tmp_path / 'train.json').mkdir()
    assert convert('split_by_instance', tmp_path / 'all.json').refused('a folder')


def test_a_part_is_made_anew_until_somebody_changes_it(convert, tmp_path):
    for number in range(5):
        write_frame(tmp_path / f'{number}.png')
    (tmp_path / 'all.json').write_text(json.dumps(content(absent=0)))
    made = set()
    for seed in range(4):
        done = convert(
            'split_by_instance', tmp_path / 'all.json', '--seed', seed, *['--gallery'] * (seed == 0)
        )
        assert done.status == 0, done.err
        made.add((tmp_path / 'test.json').read_text())
        assert ('gallery.json: is left as an earlier split' in done.out) == (seed > 0)
    assert len(made) == 2
    corrected = json.loads((tmp_path / 'train.json').read_text())
    corrected['annotations'][0]['bbox'][0] += 1
    (tmp_path / 'train.json').write_text(json.dumps(corrected))
    for seed in range(4):
        assert convert('split_by_instance', tmp_path / 'all.json', '--seed', seed).refused('changed since')
    assert json.loads((tmp_path / 'train.json').read_text()) == corrected
    assert (tmp_path / 'test.json').read_text() in made


def test_a_part_of_the_same_content_stays_as_it_is(convert, tmp_path):
    """As the parts of an earlier version, which carry no checksum."""
    for number in range(5):
        write_frame(tmp_path / f'{number}.png')
    (tmp_path / 'all.json').write_text(json.dumps(content(absent=0)))
    assert convert('split_by_instance', tmp_path / 'all.json').status == 0
    old = json.loads((tmp_path / 'train.json').read_text())
    del old['info']
    (tmp_path / 'train.json').write_text(json.dumps(old))
    assert convert('split_by_instance', tmp_path / 'all.json').status == 0
    assert json.loads((tmp_path / 'train.json').read_text()) == old
