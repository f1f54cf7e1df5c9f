"""LaSOT: hidden frames become absences, strides and classes are kept, faults are counted."""

import json

import pytest

from tests.conftest import ROOT
from tests.tools.dataset_converters.conftest import read_absent, read_tracks, write_frame


def write_sequence(root, name, boxes, occluded=(), outside=(), frames=None):
    folder = root / name.split('-')[0] / name
    for number in range(1, (len(boxes) if frames is None else frames) + 1):
        write_frame(folder / 'img' / f'{number:08d}.jpg')
    (folder / 'img').mkdir(parents=True, exist_ok=True)
    (folder / 'groundtruth.txt').write_text(''.join(','.join(map(str, box)) + '\n' for box in boxes))
    for label, hidden in (('full_occlusion', occluded), ('out_of_view', outside)):
        flags = ['1' if index in hidden else '0' for index in range(len(boxes))]
        (folder / f'{label}.txt').write_text(','.join(flags))
    return folder


def moving(count):
    return [(index, 2, 10, 12) for index in range(count)]


@pytest.fixture
def lasot(tmp_path):
    write_sequence(tmp_path, 'bear-1', moving(5), occluded={1}, outside={3, 4})
    write_sequence(tmp_path, 'bear-10', moving(2))
    write_sequence(tmp_path, 'cat-2', moving(2))
    write_sequence(tmp_path, 'zebra-1', moving(2))
    return tmp_path


def test_hidden_frames_are_absences_and_the_split_is_by_class(convert, lasot):
    done = convert('lasot', lasot, '--stride', 1)
    assert done.status == 0, done.err
    tracks = read_tracks(lasot / 'train.json', lasot)
    assert list(tracks) == ['bear-1', 'bear-10', 'cat-2']
    assert tracks['bear-1'] == [
        ('bear/bear-1/img/00000001.jpg', (0, 2, 10, 14)),
        ('bear/bear-1/img/00000003.jpg', (2, 2, 12, 14)),
    ]
    hidden = read_absent(lasot / 'train.json')
    assert hidden == {f'bear/bear-1/img/{number:08d}.jpg': ['bear-1'] for number in (2, 4, 5)}
    assert '3 objects in 3 videos, 9 images, 6 boxes' in done.out
    assert done.drops() == {'class without a folder': 33}

    assert convert('lasot', lasot, '--split', 'test', '--out', lasot / 'unseen.json').status == 0
    assert read_tracks(lasot / 'unseen.json', lasot) == {
        'zebra-1': [('zebra/zebra-1/img/00000001.jpg', (0, 2, 10, 14))]
    }


def test_a_stride_and_a_list_of_classes_choose(convert, lasot):
    (lasot / 'mine.json').write_text(json.dumps({'train': ['bear']}))
    done = convert('lasot', lasot, '--stride', 2, '--classes', lasot / 'mine.json')
    tracks = read_tracks(lasot / 'train.json', lasot)
    assert [name for name, _ in tracks['bear-1']] == [f'bear/bear-1/img/0000000{n}.jpg' for n in (1, 3)]
    assert len(tracks['bear-10']) == 1
    assert list(read_absent(lasot / 'train.json')) == ['bear/bear-1/img/00000005.jpg']
    assert done.drops() == {}


def test_every_fault_is_counted_with_its_reason(convert, lasot):
    write_sequence(lasot, 'cat-3', moving(3))
    (lasot / 'cat/cat-3/out_of_view.txt').write_text('0,0')
    write_sequence(lasot, 'cat-4', moving(3), frames=4)
    write_sequence(lasot, 'cat-5', moving(3))
    (lasot / 'cat/cat-5/groundtruth.txt').write_text('1,2,3,4\n1,2,x,4\n1,2,3,4')
    write_sequence(lasot, 'cat-6', moving(3))
    (lasot / 'cat/cat-6/full_occlusion.txt').unlink()
    write_sequence(lasot, 'cat-7', [])
    write_sequence(lasot, 'cat-8', moving(2), occluded={0, 1})
    boxes = [(0, 0, 0, 0), (90, 2, 4, 4), ('nan', 2, 4, 4), (1, 2, 4), *moving(4)]
    folder = write_sequence(lasot, 'cat-9', boxes, frames=7)
    (folder / 'img/00000006.jpg').write_bytes(b'no picture')
    done = convert('lasot', lasot, '--stride', 1)
    assert done.status == 0, done.err
    assert done.drops() == {
        'class without a folder': 33,
        'labels and frames of unequal number': 2,
        'label that is no number': 1,
        'missing label file': 1,
        'video without usable frames': 1,
        'video without boxes': 1,
        'empty box': 1,
        'box outside its image': 1,
        'box that is not four finite numbers': 2,
        'missing image': 1,
        'unreadable image': 1,
    }
    assert 'cat-3 (groundtruth 3, full_occlusion 3, out_of_view 2, images 3)' in done.out
    assert 'cat-5/groundtruth.txt:2' in done.out
    tracks = read_tracks(lasot / 'train.json', lasot)
    assert [name[-6:] for name, _ in tracks['cat-9']] == ['05.jpg', '07.jpg']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere'], 'nowhere does not exist'),
        (['.'], 'Expected LaSOT'),
        (['.', '--stride', '0'], '--stride=0'),
        (['.', '--classes', 'gone.json'], 'gone.json does not exist'),
        (['.', '--classes', '.'], 'a folder; give JSON'),
        (['.', '--classes', 'other.json'], "no list of class names under 'train'"),
        (['.', '--out', '.'], '--out .: is a folder'),
        (['.', '--out', 'other.json/train.json'], 'other.json is a file, not a folder'),
    ],
)
def test_bad_calls_end_with_one_message(convert, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'other.json').write_text('{"classes": []}')
    done = convert('lasot', *arguments)
    assert done.status == 2
    assert message in done.err
    assert list(tmp_path.iterdir()) == [tmp_path / 'other.json']


def test_frames_that_count_from_zero_are_refused(convert, lasot):
    folder = write_sequence(lasot, 'cat-3', moving(3))
    for number in range(3):
        (folder / f'img/{number + 1:08d}.jpg').rename(folder / f'img/{number:08d}.jpg')
    done = convert('lasot', lasot)
    assert done.drops() == {'class without a folder': 33, 'image that no label asks for': 1}
    assert 'cat-3' not in read_tracks(lasot / 'train.json', lasot)


def test_flags_are_zero_or_one(convert, lasot):
    (write_sequence(lasot, 'cat-3', moving(3)) / 'out_of_view.txt').write_text('0,nan,0')
    assert convert('lasot', lasot).drops()['flag that is not 0 to 1'] == 1


def test_where_nothing_is_left_the_reasons_are_told(convert, tmp_path):
    folder = write_sequence(tmp_path, 'bear-1', moving(2))
    for path in (folder / 'img').iterdir():
        path.unlink()
    done = convert('lasot', tmp_path, '--stride', 1)
    assert done.status == 2
    assert 'dropped 2 times: missing image' in done.err
    assert not (tmp_path / 'train.json').exists()


def test_the_shipped_classes_are_disjoint_halves_of_seventy():
    classes = json.loads((ROOT / 'tools/dataset_converters/lasot_classes.json').read_text())
    assert len(classes['train']) == len(classes['test']) == 35
    assert len({*classes['train'], *classes['test']}) == 70
