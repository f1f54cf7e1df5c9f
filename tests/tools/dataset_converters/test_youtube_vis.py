"""YouTube-VIS: lists by frame become tracks and absences, faults are counted."""

import json

import pytest

from tests.tools.dataset_converters.conftest import HEIGHT, WIDTH, read_absent, read_tracks, write_frame

MASK = dict(counts='x', size=[HEIGHT, WIDTH])


def video(number, frames, **changes):
    names = [f'v{number}/{index * 5:05d}.jpg' for index in range(frames)]
    return dict(id=number, width=WIDTH, height=HEIGHT, length=frames, file_names=names, **changes)


def annotation(number, video_id, boxes, **changes):
    masks = [None if box is None else MASK for box in boxes]
    areas = [None if box is None else 5.0 for box in boxes]
    record = dict(id=number, video_id=video_id, category_id=3, iscrowd=0)
    return {**record, 'bboxes': boxes, 'segmentations': masks, 'areas': areas, **changes}


def write_vis(root, videos, annotations, path='train/instances.json'):
    for record in videos:
        for name in record['file_names']:
            write_frame(root / 'train/JPEGImages' / name)
    categories = [dict(id=3, name='parrot', supercategory='object')]
    (root / path).write_text(json.dumps(dict(videos=videos, annotations=annotations, categories=categories)))


def frame(number, index):
    return f'train/JPEGImages/v{number}/{index * 5:05d}.jpg'


BOX = [1.0, 2.0, 10.0, 12.0]


@pytest.mark.parametrize('path', ['train/instances.json', 'train.json'])
def test_lists_become_tracks_and_absences(convert, tmp_path, path):
    annotations = [
        annotation(9, 2, [BOX]),
        annotation(8, 1, [None, [3.0, 2.0, 10.0, 12.0], BOX]),
        annotation(7, 1, [BOX, [2.0, 2.0, 10.0, 12.0], None]),
    ]
    annotations[1]['segmentations'][0] = MASK
    annotations[2]['segmentations'][2] = []
    write_vis(tmp_path, [video(1, 3), video(2, 1)], annotations, path)
    done = convert('youtube_vis', tmp_path)
    assert done.status == 0, done.err
    assert done.drops() == {}
    assert read_tracks(tmp_path / 'objects_train.json', tmp_path) == {
        '7': [(frame(1, 0), (1, 2, 11, 14)), (frame(1, 1), (2, 2, 12, 14))],
        '8': [(frame(1, 1), (3, 2, 13, 14)), (frame(1, 2), (1, 2, 11, 14))],
        '9': [(frame(2, 0), (1, 2, 11, 14))],
    }
    assert read_absent(tmp_path / 'objects_train.json') == {frame(1, 2): ['7']}
    convert('youtube_vis', tmp_path, '--stride', 2)
    tracks = read_tracks(tmp_path / 'objects_train.json', tmp_path)
    assert tracks['8'] == [(frame(1, 2), (1, 2, 11, 14))]


def test_every_fault_is_counted_with_its_reason(convert, tmp_path):
    videos = [video(1, 5), video(2, 0), video(3, 1), video(4, 1), video(4, 1)]
    annotations = [
        annotation(1, 1, [BOX, [0.0, 0.0, 0.0, 0.0], [90.0, 1.0, 5.0, 5.0], BOX, BOX]),
        annotation(2, 1, [BOX] * 4),
        annotation(3, 1, [BOX] * 5, areas=[5.0]),
        annotation(4, 1, [BOX] * 5, iscrowd=1),
        annotation(1, 4, [BOX]),
        annotation(5, 99, [BOX]),
        annotation(6, 4, [None]),
        {'id': 7, 'video_id': 4, 'category_id': 3},
    ]
    write_vis(tmp_path, videos, annotations)
    content = json.loads((tmp_path / 'train/instances.json').read_text())
    content['videos'][2]['height'] = 99
    content['videos'].append({'id': 5})
    content['annotations'].append(annotation(8, 3, [BOX]))
    (tmp_path / 'train/instances.json').write_text(json.dumps(content))
    (tmp_path / frame(1, 3)).unlink()
    (tmp_path / frame(1, 4)).write_bytes(b'no picture')
    done = convert('youtube_vis', tmp_path)
    assert done.status == 0, done.err
    assert done.drops() == {
        'empty box': 1,
        'box outside its image': 1,
        'missing image': 1,
        'unreadable image': 1,
        'image of another size than annotated': 1,
        'annotations: lists of unequal length': 2,
        'annotations: crowd, not one object': 1,
        'annotations: id used twice': 1,
        'annotations: of a video that is not listed': 1,
        'annotations: no sound bboxes': 1,
        'videos: id used twice': 1,
        'videos: no sound width': 1,
        'video without usable frames': 1,
        'video without boxes': 1,
    }
    tracks = read_tracks(tmp_path / 'objects_train.json', tmp_path)
    assert tracks == {'1': [(frame(1, 0), (1, 2, 11, 14))]}


def test_bad_calls_end_with_one_message(convert, tmp_path):
    done = convert('youtube_vis', tmp_path)
    assert done.status == 2
    assert 'Expected YouTube-VIS' in done.err
    (tmp_path / 'valid').mkdir()
    (tmp_path / 'valid/instances.json').write_text(json.dumps(dict(videos=[video(1, 1)], categories=[])))
    done = convert('youtube_vis', tmp_path, '--split', 'valid')
    assert done.status == 2
    assert 'No objects are published for valid and test' in done.err
    write_vis(tmp_path, [video(1, 1)], [annotation(1, 1, [BOX])], 'train.json')
    done = convert('youtube_vis', tmp_path, '--out', tmp_path / 'train.json')
    assert done.status == 2
    assert 'this tool did not write it' in done.err
