import json

import numpy as np
from pycocotools import mask as coco_mask

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from tests.tools.dataset_converters.conftest import painted, write_frame

SIZE = (40, 30)


def rle(box, size=SIZE):
    mask = painted(size, {1: box} if box else {})
    return {'rle': coco_mask.encode(np.asfortranarray(mask))['counts'].decode(), 'is_gt': True, 'score': 1.0}


def sequence(root, name, frames, masks, classes, images=True):
    """One record of BURST; masks are {track: box} per frame."""
    for frame in frames if images else []:
        write_frame(root / 'frames/test/YFCC100M' / name / frame, SIZE)
    return {
        'width': SIZE[0], 'height': SIZE[1], 'id': 1, 'seq_name': name, 'dataset': 'YFCC100M', 'fps': 30,
        'all_image_paths': frames, 'annotated_image_paths': frames, 'neg_category_ids': [],
        'not_exhaustive_category_ids': [], 'track_category_ids': classes,
        'segmentations': [{track: rle(box) for track, box in shown.items()} for shown in masks],
    }  # fmt: skip


def write(root, sequences):
    path = root / 'annotations/test/all_classes.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    categories = [{'id': 805, 'name': 'person'}, {'id': 378, 'name': 'dog'}]
    path.write_text(json.dumps({'sequences': sequences, 'categories': categories, 'split': 'test'}))
    (root / 'frames/test').mkdir(parents=True, exist_ok=True)


def found(root):
    file = AnnotationFile(str(root / 'test.json'), str(root))
    frames = [[(frame.path[-8:-4], frame.box) for frame in track.frames] for track in file.tracks()]
    return frames, file.content


PARK = (
    [{'1': (3, 4, 10, 12), '2': (20, 2, 5, 6), '7': (0, 0, 3, 3)}, {'1': (4, 4, 10, 12), '7': (1, 0, 3, 3)}],
    {'1': 805, '2': 805, '7': 378},
)


def test_every_track_is_an_object_of_its_video(convert, tmp_path):
    write(tmp_path, [sequence(tmp_path, 'park', ['0001.jpg', '0031.jpg'], *PARK)])
    convert('burst', tmp_path, '--split', 'test')
    frames, content = found(tmp_path)
    assert frames == [
        [('0001', (3, 4, 13, 16)), ('0031', (4, 4, 14, 16))],
        [('0001', (20, 2, 25, 8))],
        [('0001', (0, 0, 3, 3)), ('0031', (1, 0, 4, 3))],
    ]
    assert [item['name'] for item in content['instances']] == [f'YFCC100M/park/{i}' for i in '127']
    assert [item['name'] for item in content['categories']] == ['person', 'dog']
    assert [image.get('absent') for image in content['images']] == [None, [2]]


def test_same_class_keeps_what_permirs_keeps(convert, tmp_path):
    write(tmp_path, [sequence(tmp_path, 'park', ['0001.jpg', '0031.jpg'], *PARK)])
    done = convert('burst', tmp_path, '--split', 'test', '--same-class')
    assert found(tmp_path)[0] == [[('0001', (3, 4, 13, 16))], [('0001', (20, 2, 25, 8))]]
    assert 'dropped 1 times: frame without objects to write' in done.out


def test_what_is_broken_is_counted(convert, tmp_path):
    good = {'1': (3, 4, 10, 12)}
    names = [f'{i:04d}.jpg' for i in range(5)]
    first = sequence(tmp_path, 'a', names, [good, {'1': None}, good, good, good], {'1': 805})
    first['segmentations'][2]['1'] = rle((0, 0, 90, 90), (100, 100))
    (tmp_path / 'frames/test/YFCC100M/a/0003.jpg').unlink()
    write_frame(tmp_path / 'frames/test/YFCC100M/a/0004.jpg', (20, 20))
    uneven = sequence(tmp_path, 'b', names, [good], {'1': 805}, images=False)
    empty = sequence(tmp_path, 'c', [], [], {})
    write(tmp_path, [first, uneven, empty, first])
    done = convert('burst', tmp_path, '--split', 'test')
    assert found(tmp_path)[0] == [[('0000', (3, 4, 13, 16))]]
    for reason in [
        'empty mask', 'broken mask', 'missing image', 'image of another size than annotated',
        'labels and frames of unequal number', 'video without usable frames', 'video named twice',
    ]:  # fmt: skip
        assert f'dropped 1 times: {reason}' in done.out


def test_strides_count_annotated_frames(convert, tmp_path):
    names = [f'{i:04d}.jpg' for i in range(5)]
    write(tmp_path, [sequence(tmp_path, 'a', names, [{'1': (i, 0, 9, 9)} for i in range(5)], {'1': 805})])
    convert('burst', tmp_path, '--split', 'test', '--stride', '2')
    assert [name for name, _ in found(tmp_path)[0][0]] == ['0000', '0002', '0004']


def test_other_files_are_refused(convert, tmp_path):
    assert convert('burst', tmp_path, '--split', 'test').refused(
        'all_classes.json does not exist. Expected BURST'
    )
    write(tmp_path, [{'file_name': 'x'}])
    assert convert('burst', tmp_path, '--split', 'test').refused(
        'dropped 1 times: sequences: no sound dataset'
    )
    write(tmp_path, [3])
    assert convert('burst', tmp_path, '--split', 'test').refused(
        'dropped 1 times: sequences: no sound dataset'
    )
    (tmp_path / 'annotations/test/all_classes.json').write_text('{"sequences": [{"a"')
    assert convert('burst', tmp_path, '--split', 'test').refused('not valid JSON')


def test_broken_tracks_are_counted_and_no_class_is_no_class(convert, tmp_path):
    names = ['0001.jpg', '0031.jpg']
    broken, odd = (sequence(tmp_path, name, names, *PARK) for name in ('broken', 'odd'))
    broken['segmentations'][1] = None
    odd['segmentations'][0]['2']['rle'] = [-1, 5]
    unknown = sequence(tmp_path, 'unknown', names, PARK[0], {})
    write(tmp_path, [broken, odd, unknown])
    done = convert('burst', tmp_path, '--split', 'test')
    assert done.status == 0, done.err
    assert done.drops() == {'segmentations that are not by track': 1, 'broken mask': 1}
    classes = [record.get('category_id') for record in found(tmp_path)[1]['annotations']]
    assert classes == [1, 2, 1, 2, *[None] * 5]
    done = convert('burst', tmp_path, '--split', 'test', '--same-class', '--out', tmp_path / 'same.json')
    assert done.refused('nothing is left to write')
