"""GOT-10k: absence and cover decide what is shown, faults are counted."""

import pytest

from tests.tools.dataset_converters.conftest import read_absent, read_tracks, write_frame

META = """[METAINFO]
url: https://youtu.be/x?a=b%20c
begin: 00:00:29
end: 00:00:39
anno_fps: 10Hz
object_class: anteater
motion_class: walking
major_class: placental
root_class: animal
motion_adverb: slowly
resolution: (40, 30)
"""


def write_sequence(root, number, boxes, absence=(), cover=None, frames=None, split='train'):
    name = f'GOT-10k_{split.capitalize()}_{number:06d}'
    folder = root / split / name
    for frame in range(1, (len(boxes) if frames is None else frames) + 1):
        write_frame(folder / f'{frame:08d}.jpg')
    folder.mkdir(parents=True, exist_ok=True)
    lines = [','.join(f'{value:.4f}' for value in box) for box in boxes]
    (folder / 'groundtruth.txt').write_text('\n'.join(lines) + '\n')
    flags = ['1' if index in absence else '0' for index in range(len(boxes))]
    (folder / 'absence.label').write_text('\n'.join(flags) + '\n')
    (folder / 'cover.label').write_text('\n'.join(map(str, cover or [8] * len(boxes))) + '\n')
    (folder / 'meta_info.ini').write_text(META)
    with open(root / split / 'list.txt', 'a') as listed:
        listed.write(name + '\n')
    return folder


def moving(count):
    return [(index, 2, 10, 12) for index in range(count)]


FIRST = 'GOT-10k_Train_000001'


def test_absent_and_covered_frames_are_told_apart(convert, tmp_path):
    write_sequence(tmp_path, 1, moving(5), absence={1}, cover=[8, 5, 0, 2, 3])
    done = convert('got10k', tmp_path, '--stride', 1, '--min-cover', 3)
    assert done.status == 0, done.err
    assert read_tracks(tmp_path / 'train.json', tmp_path) == {
        FIRST: [
            (f'train/{FIRST}/00000001.jpg', (0, 2, 10, 14)),
            (f'train/{FIRST}/00000005.jpg', (4, 2, 14, 14)),
        ]
    }
    hidden = [f'train/{FIRST}/0000000{number}.jpg' for number in (2, 3)]
    assert read_absent(tmp_path / 'train.json') == {name: [FIRST] for name in hidden}
    assert done.drops() == {'box of less than --min-cover': 1}
    assert '"name": "anteater"' in (tmp_path / 'train.json').read_text()


def test_a_stride_chooses_frames_and_all_that_is_seen_is_kept(convert, tmp_path):
    write_sequence(tmp_path, 1, moving(21), cover=[1] * 21, split='val')
    done = convert('got10k', tmp_path, '--split', 'val')
    assert done.drops() == {}
    (frames,) = read_tracks(tmp_path / 'val.json', tmp_path).values()
    assert [name[-6:] for name, _ in frames] == ['01.jpg', '11.jpg', '21.jpg']


def test_every_fault_is_counted_with_its_reason(convert, tmp_path):
    write_sequence(tmp_path, 1, moving(2))
    (write_sequence(tmp_path, 2, moving(2)) / 'absence.label').write_text('0\n')
    write_sequence(tmp_path, 3, moving(2), frames=3)
    (write_sequence(tmp_path, 4, moving(2)) / 'cover.label').unlink()
    write_sequence(tmp_path, 5, [])
    write_sequence(tmp_path, 6, moving(2), absence={0, 1})
    folder = write_sequence(tmp_path, 7, [(0, 0, 0, 0), (-20, 3, 5, 5), *moving(3)], frames=4)
    (folder / '00000004.jpg').write_bytes(b'no picture')
    (folder / 'meta_info.ini').write_text('nothing of the kind')
    with open(tmp_path / 'train' / 'list.txt', 'a') as listed:
        listed.write(f'GOT-10k_Train_000099\n{FIRST}\n')
    done = convert('got10k', tmp_path, '--stride', 1)
    assert done.status == 0, done.err
    assert done.drops() == {
        'labels and frames of unequal number': 2,
        'missing label file': 2,
        'video without usable frames': 1,
        'video without boxes': 1,
        'video named twice': 1,
        'empty box': 1,
        'box outside its image': 1,
        'missing image': 1,
        'unreadable image': 1,
    }
    tracks = read_tracks(tmp_path / 'train.json', tmp_path)
    assert {name[-1]: len(frames) for name, frames in tracks.items()} == {'1': 2, '7': 1}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--split', 'test'], 'only the first box'),
        (['--split', 'train'], 'Expected GOT-10k'),
        (['--min-cover', '9'], '--min-cover=9'),
    ],
)
def test_bad_calls_end_with_one_message(convert, tmp_path, arguments, message):
    done = convert('got10k', tmp_path, *arguments)
    assert done.status == 2
    assert message in done.err
    assert list(tmp_path.iterdir()) == []
