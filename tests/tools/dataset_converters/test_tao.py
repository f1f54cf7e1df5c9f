"""TAO: annotations out of order are regrouped, modal boxes are used, faults are counted."""

import json

import pytest

from tests.tools.dataset_converters.conftest import HEIGHT, WIDTH, read_absent, read_tracks, write_frame


def image(number, video, index, width=WIDTH):
    name = f'train/YFCC100M/v_{video}/frame{index:04d}.jpg'
    size = dict(width=width, height=HEIGHT)
    return dict(id=number, video_id=video, frame_index=index, file_name=name, license=0, **size)


def annotation(number, image_id, track, bbox=(1, 2, 10, 12), **more):
    record = dict(id=number, image_id=image_id, track_id=track, category_id=95, video_id=0, iscrowd=0, **more)
    return record if bbox is None else dict(record, bbox=bbox)


def write_tao(root, images, annotations, videos=(1, 2), folder='annotations'):
    for record in images:
        write_frame(root / 'frames' / record['file_name'])
    content = dict(
        info={},
        videos=[dict(id=n, name=f'train/YFCC100M/v_{n}', width=WIDTH, height=HEIGHT) for n in videos],
        annotations=annotations,
        tracks=[dict(id=7, category_id=95, video_id=1)],
        images=images,
        categories=[dict(id=95, name='baby', synset='baby.n.01')],
    )
    (root / folder).mkdir(exist_ok=True)
    (root / folder / 'train.json').write_text(json.dumps(content))


def frame(video, index):
    return f'train/YFCC100M/v_{video}/frame{index:04d}.jpg'


def test_annotations_in_any_order_become_tracks(convert, tmp_path):
    images = [image(3, 2, 31), image(2, 1, 61), image(4, 1, 31), image(1, 1, 1)]
    annotations = [
        annotation(5, 4, 7, (3, 2, 10, 12)),
        annotation(4, 3, 8),
        annotation(3, 1, 9, (30, 20, 25, 25)),
        annotation(2, 2, 7, (4, 2, 10, 12)),
        annotation(1, 1, 7, (2, 2, 10, 12)),
    ]
    write_tao(tmp_path, images, annotations)
    done = convert('tao', tmp_path)
    assert done.status == 0, done.err
    assert done.drops() == {}
    assert read_tracks(tmp_path / 'train.json', tmp_path / 'frames') == {
        '7': [(frame(1, 1), (2, 2, 12, 14)), (frame(1, 31), (3, 2, 13, 14)), (frame(1, 61), (4, 2, 14, 14))],
        '8': [(frame(2, 31), (1, 2, 11, 14))],
        '9': [(frame(1, 1), (30, 20, 40, 30))],
    }
    assert '"name": "baby"' in (tmp_path / 'train.json').read_text()

    assert convert('tao', tmp_path, '--stride', 2).drops() == {}
    tracks = read_tracks(tmp_path / 'train.json', tmp_path / 'frames')
    assert [name for name, _ in tracks['7']] == [frame(1, 1), frame(1, 61)]


def test_amodal_boxes_are_not_used(convert, tmp_path):
    amodal = dict(amodal_bbox=[-9, 2, 30, 12], amodal_is_uncertain=False, visibility=0.4)
    annotations = [annotation(1, 1, 7, (0, 2, 12, 12), **amodal), annotation(2, 2, 7, None, **amodal)]
    write_tao(tmp_path, [image(1, 1, 1), image(2, 1, 31)], annotations, [1], 'amodal_annotations')
    done = convert('tao', tmp_path, '--annotations', 'amodal_annotations')
    assert done.status == 0, done.err
    tracks = read_tracks(tmp_path / 'train.json', tmp_path / 'frames')
    assert tracks == {'7': [(frame(1, 1), (0, 2, 12, 14))]}
    assert read_absent(tmp_path / 'train.json') == {frame(1, 31): ['7']}


def test_merged_classes_are_one(convert, tmp_path):
    annotations = [
        {**annotation(number, 1, number), 'category_id': kind} for number, kind in [(1, 95), (2, 96)]
    ]
    write_tao(tmp_path, [image(1, 1, 1)], annotations, [1])
    content = json.loads((tmp_path / 'annotations/train.json').read_text())
    content['categories'] = [dict(id=95, name='baby', merged=[dict(id=96), {}]), dict(id=96, name='infant')]
    (tmp_path / 'annotations/train.json').write_text(json.dumps(content))
    done = convert('tao', tmp_path)
    written = json.loads((tmp_path / 'train.json').read_text())
    assert written['categories'] == [{'id': 1, 'name': 'baby'}], done.err
    assert done.drops() == {'merged categories: no sound id': 1}


def test_every_fault_is_counted_with_its_reason(convert, tmp_path):
    images = [
        image(1, 1, 1), image(2, 1, 31), image(3, 1, 61), image(4, 1, 91, width=99), image(5, 1, 1),
        image(6, 2, 1), image(6, 2, 31), image(7, 5, 1), dict(id=8, video_id=1),
    ]  # fmt: skip
    annotations = [
        annotation(1, 1, 7), annotation(2, 1, 7), annotation(3, 1, 8, (0, 0, 0, 0)),
        annotation(4, 1, 8, (90, 1, 5, 5)), annotation(5, 1, 8, None), annotation(6, 1, 8, 'box'),
        annotation(7, 2, 7), annotation(8, 3, 7), annotation(9, 4, 7), annotation(10, 6, 7),
        annotation(10, 6, 9), annotation(11, 99, 7), {**annotation(12, 1, 7), 'iscrowd': 1}, ['no record'],
    ]  # fmt: skip
    write_tao(tmp_path, images[:-1], annotations, videos=[1, 2, 2, 3])
    content = json.loads((tmp_path / 'annotations/train.json').read_text())
    content['images'].append(images[-1])
    content['videos'].append({'id': 4})
    (tmp_path / 'annotations/train.json').write_text(json.dumps(content))
    (tmp_path / 'frames' / frame(1, 31)).unlink()
    (tmp_path / 'frames' / frame(1, 61)).write_bytes(b'no picture')
    done = convert('tao', tmp_path)
    assert done.status == 0, done.err
    assert done.drops() == {
        'two boxes of one object in an image': 1,
        'empty box': 1,
        'box outside its image': 1,
        'box that is not four finite numbers': 1,
        'annotations: no sound bbox': 1,
        'annotations: no sound id': 1,
        'annotations: id used twice': 1,
        'annotations: crowd, not one object': 1,
        'annotations: of an image that is not listed': 1,
        'object id in two videos': 1,
        'frame twice in a video': 1,
        'missing image': 1,
        'unreadable image': 1,
        'image of another size than annotated': 1,
        'images: id used twice': 1,
        'images: no sound file_name': 1,
        'images: of a video that is not listed': 1,
        'videos: id used twice': 1,
        'videos: no sound name': 1,
        'video without usable frames': 1,
    }
    tracks = read_tracks(tmp_path / 'train.json', tmp_path / 'frames')
    assert tracks == {'7': [(frame(1, 1), (1, 2, 11, 14))]}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'Expected TAO'),
        ('{"images": [', 'not valid JSON'),
        ('[1, 2]', "no list 'images'"),
        ('{"images": [{"id": 1}]}', "no list 'annotations'"),
    ],
)
def test_what_is_not_tao_ends_with_one_message(convert, tmp_path, content, message):
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'frames').mkdir()
    if content:
        (tmp_path / 'annotations/train.json').write_text(content)
    done = convert('tao', tmp_path)
    assert done.status == 2
    assert message in done.err
    assert not (tmp_path / 'train.json').exists()


def test_the_source_is_not_overwritten(convert, tmp_path):
    write_tao(tmp_path, [image(1, 1, 1)], [annotation(1, 1, 7)])
    before = (tmp_path / 'annotations/train.json').read_text()
    done = convert('tao', tmp_path, '--out', tmp_path / 'annotations/train.json')
    assert done.status == 2
    assert 'this tool did not write it' in done.err
    assert (tmp_path / 'annotations/train.json').read_text() == before
