import hashlib
import json

import pytest

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from tests.tools.dataset_converters.conftest import write_frame, write_mask

SIZE = (100, 60)
#: As published: boxes are text, the query comes last.
LISTED = 'data/ICL_tracking/video/per_seg'


def entry(element, boxes, files=None, **extra):
    files = files or [f'{number:02d}' for number in range(len(boxes))]
    return {
        'element': element,
        'image_path': [f'{LISTED}/{element}/{name}.jpg' for name in files],
        'bbox': [str(box) for box in boxes],
        'image_id': list(range(len(boxes))),
        **extra,
    }


def write(root, entries):
    for record in entries:
        for name in record['image_path']:
            write_frame(root / 'Images' / name.removeprefix(f'{LISTED}/'), SIZE)
    (root / 'list.json').write_text(json.dumps(entries))
    return root / 'list.json'


def episodes(root):
    found = AnnotationFile(str(root / 'Images/list_episodes.json'), str(root / 'Images')).episodes()
    return [
        [(frame.path.split('Images/')[1], frame.box) for frame in (*episode.supports, episode.query)]
        for episode in found
    ]


def test_lists_become_manifests_and_their_traps_are_counted(convert, tmp_path):
    good = [10, 5, 50, 30]
    cut, unequal, missing = entry('a', [good] * 2), entry('b', [good] * 2), entry('c', [good] * 3)
    unequal['bbox'] = unequal['bbox'][:1]
    source = write(
        tmp_path,
        [
            entry('dog', [[1, 2, 30, 40], [10, 5, 100.5, 60], good]),
            cut,
            unequal,
            missing,
            entry('alone', [good]),
            entry('hidden', [good, [0, 0, 0, 0]]),
            entry('blank', [[0, 0, 0, 0], good]),
            entry('blink', [good, [0, 0, 0, 0], good, good]),
            entry('thousand', [good, [500, 500, 900, 990]]),
            entry('odd', [good, '[1, 2, 3']),
            entry('turned', [good, [50, 30, 10, 5]]),
            entry('shares', [good, [0.25, 0.25, 0.625, 0.75]]),
        ],
    )
    (tmp_path / 'Images/a/01.jpg').write_bytes(b'x')
    (tmp_path / 'Images/c/01.jpg').unlink()
    done = convert('iploc', source, '--images', tmp_path / 'Images', '--box-order', 'xyxy')
    assert episodes(tmp_path) == [
        [('dog/00.jpg', (1, 2, 30, 40)), ('dog/01.jpg', (10, 5, 100, 60)), ('dog/02.jpg', (10, 5, 50, 30))],
        [(f'blink/0{number}.jpg', (10, 5, 50, 30)) for number in (0, 2, 3)],
    ]
    assert '2 episodes, 0 without the object; left out: 10 episodes, 2 supports' in done.out
    for count, reason, example in [
        (2, 'support out of view, left out of its episode', '6 blank'),
        (2, 'episode without supports', '4 alone'),
        (1, 'unreadable image', '1 a'),
        (1, 'lists of unequal length', '2 b'),
        (1, 'missing image', '3 c'),
        (1, 'query out of view', '5 hidden'),
        (1, 'box far beyond its image (0..1000, or swapped axes?)', '8 thousand'),
        (1, 'box that is not four finite numbers', '9 odd'),
        (1, 'empty box', '10 turned'),
        (1, 'box that looks like fractions of the image: give pixels', '11 shares'),
    ]:
        assert f'dropped {count} times: {reason}; the first: {example}' in done.out


def queries(root):
    """Name, box and kind of absence of each query, as they stand in the manifest."""
    content = json.loads((root / 'Images/list_episodes.json').read_text())
    for episode in content['episodes']:
        folder = episode['query']['file_name'].split('/')[0]
        assert [frame['file_name'] for frame in episode['supports']] == [f'{folder}/00.jpg']
    listed = [episode['query'] for episode in content['episodes']]
    return [(query['file_name'], query['bbox'], query.get('absent_kind')) for query in listed]


def test_roles_say_which_queries_show_the_object(convert, tmp_path):
    boxes = [[1, 2, 30, 40], [10, 5, 50, 30], [20, 5, 50, 30]]
    roles = ['reference', 'inclass-image', 'Positive_image']
    outside = ['reference', 'positive-image', 'outclass-image']
    source = write(
        tmp_path,
        [
            entry('dog', boxes, role=roles),
            entry('cat', boxes, role=roles[:2]),
            entry('boat', boxes, role=outside),
            entry('odd', boxes[:2], role=['reference', 'mirror-image']),
            entry('lone', boxes[:2], role=['reference', 'reference']),
        ],
    )
    done = convert('iploc', source, '--images', tmp_path / 'Images', '--box-order', 'xyxy')
    assert queries(tmp_path) == [
        ('dog/01.jpg', None, 'in_class'),
        ('dog/02.jpg', [20, 5, 30, 25], None),
        ('boat/01.jpg', [10, 5, 40, 25], None),
        ('boat/02.jpg', None, 'out_of_class'),
        ('odd/01.jpg', None, None),
    ]
    assert (
        '5 episodes, 3 without the object (1 in_class, 1 out_of_class, 1 of unknown role); '
        'left out: 1 episodes, 0 supports' in done.out
    )
    assert "taken 1 times: query of unknown role 'mirror-image'" in done.out
    assert done.drops() == {'lists of unequal length': 1, 'entry without a query': 1}


@pytest.mark.parametrize(
    ('roles', 'reason'), [(None, 'role that is no list'), (['reference', {}], 'role that is no text')]
)
def test_what_is_no_role_is_no_query(convert, tmp_path, roles, reason):
    boxes = [[1, 2, 30, 40], [10, 5, 50, 30]]
    source = write(tmp_path, [entry('dog', boxes), entry('cat', boxes, role=roles)])
    done = convert('iploc', source, '--images', tmp_path / 'Images', '--box-order', 'xyxy')
    assert done.drops() == {reason: 1}
    assert len(episodes(tmp_path)) == 1


@pytest.mark.parametrize('corner', [[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0], [-1, -1, -2, -2]])
def test_boxes_without_area_in_the_corner_are_out_of_view(convert, tmp_path, corner):
    good = [10, 5, 50, 30]
    source = write(tmp_path, [entry('blink', [good, corner, good]), entry('gone', [good, corner])])
    done = convert('iploc', source, '--images', tmp_path / 'Images', '--box-order', 'xyxy')
    assert [[name for name, _ in shown] for shown in episodes(tmp_path)] == [['blink/00.jpg', 'blink/02.jpg']]
    assert done.drops() == {'support out of view, left out of its episode': 1, 'query out of view': 1}


def test_boxes_a_little_beyond_their_image_are_clipped(convert, tmp_path):
    good = [10, 5, 50, 30]
    beyond = [[-4, 40, 30, 62], [90, -2, 104, 9]]
    source = write(tmp_path, [entry('edge', beyond), entry('out', [good, [100, 5, 104, 30]])])
    done = convert('iploc', source, '--images', tmp_path / 'Images', '--box-order', 'xyxy')
    assert episodes(tmp_path) == [[('edge/00.jpg', (0, 40, 30, 60)), ('edge/01.jpg', (90, 0, 100, 9))]]
    assert 'clipped 2 times: box beyond its image; the first: 0 edge edge/00.jpg [-4.0' in done.out
    assert done.drops() == {'box outside its image': 1}


def test_the_published_number_of_episodes_can_be_kept(convert, tmp_path):
    good, roles = [10, 5, 50, 30], ['reference', 'positive-image', 'outclass-image']
    source = write(
        tmp_path,
        [
            entry('dog', [good, good, good], role=roles),
            entry('hidden', [good, [0, 0, 0, 0]]),
            entry('turned', [[50, 30, 10, 5], good, good], role=roles),
        ],
    )
    common = [source, '--images', tmp_path / 'Images', '--box-order', 'xyxy']
    manifest = tmp_path / 'Images/list_episodes.json'
    convert('iploc', *common)
    assert 'unjudged' not in json.loads(manifest.read_text())['info']
    done = convert('iploc', *common, '--strict-published')
    info = json.loads(manifest.read_text())['info']
    assert info['left_out'] == 3
    hidden, turned = info['unjudged']
    assert hidden.startswith('1 hidden, image 1: query out of view')
    assert turned.startswith('2 turned, image 1: empty box')
    assert len(queries(tmp_path)) == 2
    assert '2 of the episodes left out are listed as unjudged, and score 0' in done.out


@pytest.mark.parametrize('box', [[10**400, 2, 30, 40], '[' * 100000, '[1e400, 2, 30, 40]'])
def test_odd_boxes_are_counted(convert, tmp_path, box):
    good = [1, 2, 30, 40]
    source = write(tmp_path, [entry('dog', [good, good]), entry('cat', [box, good])])
    done = convert('iploc', source, '--images', tmp_path / 'Images', '--box-order', 'xyxy')
    assert done.drops() == {'box that is not four finite numbers': 1}, done.err


def test_the_manifest_says_how_it_was_made(convert, tmp_path):
    source = write(tmp_path, [entry('dog', [[1, 2, 30, 40]] * 2)])
    convert('iploc', source, '--images', tmp_path / 'Images', '--box-order', 'xyxy')
    info = json.loads((tmp_path / 'Images/list_episodes.json').read_text())['info']
    assert info['source'] == 'list.json'
    assert info['source_sha256'] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert info['settings'] == {'box_order': 'xyxy'}


def masked(root, order, wrong=0):
    """Three episodes whose boxes agree with their masks in ``order``, but ``wrong`` ones."""
    entries = []
    for number in range(3):
        x, y, w, h = 5 + number, 2, 20, 40
        box = [x, y, x + w, y + h]
        swapped = (order == 'yxyx') != (number < wrong)
        listed = [box[1], box[0], box[3], box[2]] if swapped else box
        entries.append(entry(f'object{number}', [listed, listed]))
        for name in ('00', '01'):
            write_mask(root / f'Annotations/object{number}/{name}.png', {1: (x, y, w, h)}, SIZE)
    return write(root, entries)


@pytest.mark.parametrize('order', ['xyxy', 'yxyx'])
def test_masks_tell_the_order_of_a_box_by_majority(convert, tmp_path, order):
    source = masked(tmp_path, order, wrong=1)
    done = convert('iploc', source, '--images', tmp_path / 'Images', '--masks', tmp_path / 'Annotations')
    expected = [[(f'object{n}/{i:02d}.jpg', (5 + n, 2, 25 + n, 42)) for i in (0, 1)] for n in (1, 2)]
    assert episodes(tmp_path) == expected
    votes = {'xyxy': 2, 'yxyx': 2, order: 4}
    assert f'as xyxy: {votes["xyxy"]}, as yxyx: {votes["yxyx"]}' in done.out
    assert 'dropped 1 times: box that does not fit its mask; the first: 0 object0' in done.out


def test_nothing_is_guessed(convert, tmp_path):
    source = masked(tmp_path, 'xyxy', wrong=2)
    common = [source, '--images', tmp_path / 'Images']
    assert convert('iploc', *common).refused('Give --masks')
    (tmp_path / 'Annotations/object0/00.png').unlink()
    (tmp_path / 'Annotations/object0/01.png').unlink()
    done = convert('iploc', *common, '--masks', tmp_path / 'Annotations')
    assert done.refused('do not tell')
    assert 'as xyxy: 2, as yxyx: 2' in done.out
    assert convert('iploc', *common, '--masks', tmp_path / 'none').refused('no such folder')
    assert not list((tmp_path / 'Images').glob('*.json'))


def test_other_files_and_folders_are_refused(convert, tmp_path):
    source = write(tmp_path, [entry('dog', [[1, 2, 3, 4]] * 2)])
    done = convert('iploc', source, '--images', tmp_path / 'Images/dog', '--box-order', 'xyxy')
    assert done.refused('holds none of the listed images')
    for text, message in [
        ('{}', 'expected a list'),
        ('[{"image_path": 3, "bbox": []}]', '[0] needs the lists'),
        ('x', 'cannot be read'),
        ('[' * 100000, 'cannot be read'),
        ('[{"image_path": [], "bbox": []}]', 'no entry lists an image'),
    ]:
        source.write_text(text)
        done = convert('iploc', source, '--images', tmp_path / 'Images', '--box-order', 'xyxy')
        assert done.refused(message)
