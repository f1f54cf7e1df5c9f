from pathlib import Path

import pytest
from PIL import Image

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from tests.conftest import ROOT
from tests.tools.dataset_converters.conftest import write_frame

HEADER = 'file,x1,y1,x2,y2\n'


def table(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'boxes.csv').write_text(text)


def test_rows_become_boxes_and_the_rest_is_counted(convert, tmp_path):
    for name in ('a.jpg', 'b.jpg', 'c.jpg', 'd.jpg', 'e.jpg', 'f.jpg', 'forgotten.jpg'):
        write_frame(tmp_path / 'duck' / name)
    (tmp_path / 'duck/broken.jpg').write_bytes(b'x')
    (tmp_path / 'duck/film.heic').write_bytes(b'x')
    table(
        tmp_path / 'duck',
        '\ufefffile, x1, y1, x2, y2, note\n'
        'a.jpg, 3, 4, 13, 16, good\n'
        'b.jpg, 0.5, 0, 40.5, 30, a little over\n'
        'c.jpg, 5, 5, 60, 20, beyond\n'
        'd.jpg, 13, 4, 3, 16, swapped\n'
        'gone.jpg, 3, 4, 13, 16, missing\n'
        'broken.jpg, 3, 4, 13, 16, unreadable\n'
        'a.jpg, 1, 1, 2, 2, again\n'
        './a.jpg, 1, 1, 2, 2, under another name\n'
        '../duck/a.jpg, 1, 1, 2, 2, out and back\n'
        '../pen/a.jpg, 3, 4, 13, 16, of another object\n'
        '/a.jpg, 3, 4, 13, 16, elsewhere\n'
        'e.jpg, 0.25, 0.25, 0.625, 0.75, fractions\n'
        'f.jpg, 3, 4, 3.5, 16, thin\n',
    )
    write_frame(tmp_path / 'pen/a.jpg')
    table(tmp_path / 'pen', HEADER + 'a.jpg,1,2,3,4\n')
    write_frame(tmp_path / 'untabled/a.jpg')
    done = convert('folder', tmp_path)
    tracks = AnnotationFile(str(tmp_path / 'annotations.json'), str(tmp_path)).tracks()
    assert [[(frame.path, frame.box) for frame in track.frames] for track in tracks] == [
        [(str(tmp_path / 'duck/a.jpg'), (3, 4, 13, 16)), (str(tmp_path / 'duck/b.jpg'), (0.5, 0, 40, 30))],
        [(str(tmp_path / 'pen/a.jpg'), (1, 2, 3, 4))],
    ]
    for reason, example in [
        ('box beyond its image', 'duck/boxes.csv:4'),
        ('empty box', 'duck/boxes.csv:5'),
        ('missing image', 'duck/boxes.csv:6'),
        ('unreadable image', 'duck/boxes.csv:7'),
        ('box that looks like fractions of the image: give pixels', 'duck/boxes.csv:13'),
        ('box that is smaller than a pixel', 'duck/boxes.csv:14'),
        ('image without a row in boxes.csv', 'duck/forgotten.jpg'),
        ('other file without a row in boxes.csv', 'duck/film.heic'),
        ('folder without boxes.csv', 'untabled'),
    ]:
        (line,) = [line for line in done.out.splitlines() if f'dropped 1 times: {reason}' in line]
        assert example in line
    assert done.drops()['second row for an image'] == 3
    assert done.drops()["image outside its object's folder"] == 2


def test_an_absolute_path_in_the_folder_is_its_photograph(convert, tmp_path):
    path = write_frame(tmp_path / 'duck/a.jpg')
    table(tmp_path / 'duck', HEADER + f'{path},3,4,13,16\n')
    assert convert('folder', tmp_path).drops() == {}
    (track,) = AnnotationFile(str(tmp_path / 'annotations.json'), str(tmp_path)).tracks()
    assert track.frames[0].path == str(path)


def test_photographs_come_in_the_order_of_their_numbers(convert, tmp_path):
    names = ['IMG_8.jpg', 'IMG_9.jpg', 'IMG_10.jpg']
    for name in names:
        write_frame(tmp_path / 'duck' / name)
    table(tmp_path / 'duck', HEADER + ''.join(f'{name},3,4,13,16\n' for name in sorted(names)))
    convert('folder', tmp_path)
    (track,) = AnnotationFile(str(tmp_path / 'annotations.json'), str(tmp_path)).tracks()
    assert [Path(frame.path).name for frame in track.frames] == names


def test_sizes_and_boxes_are_those_of_the_turned_photograph(convert, tmp_path):
    tag = Image.Exif()
    tag[0x0112] = 6
    for name in ('tall.jpg', 'wide.jpg'):
        write_frame(tmp_path / 'cup' / name)
        Image.open(tmp_path / 'cup' / name).save(tmp_path / 'cup' / name, exif=tag)
    table(tmp_path / 'cup', HEADER + 'tall.jpg,2,30,20,40\nwide.jpg,2,3,40,20\n')
    done = convert('folder', tmp_path)
    (track,) = AnnotationFile(str(tmp_path / 'annotations.json'), str(tmp_path)).tracks()
    assert [(frame.width, frame.height, frame.box) for frame in track.frames] == [(30, 40, (2, 30, 20, 40))]
    assert 'boxes.csv:3 ([2.0, 3.0, 40.0, 20.0]; as seen, the image is 30 x 40)' in done.out


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('file,x1,y1,x2\n', 'boxes.csv:1: no column y2'),
        ('', 'boxes.csv:1: no column file, x1'),
        ('file;x1;y1;x2;y2\na.jpg;1,5;2;3;4\n', 'boxes.csv:1: fields are separated by semicolons'),
        ('file\tx1\ty1\tx2\ty2\na.jpg\t1\t2\t3\t4\n', 'boxes.csv:1: fields are separated by tabs'),
        (HEADER + 'a.jpg,1,5,2,30,4\n', 'boxes.csv:2: more fields than the header'),
        (
            HEADER + 'a.jpg,1,2,3,4\na.jpg,1,2,x,4\n',
            'boxes.csv:3: x1,y1,x2,y2 must be four numbers, not 1,2,x,4',
        ),
        (HEADER + 'a.jpg,1,2,nan,4\n', 'boxes.csv:2: x1,y1,x2,y2 must be four numbers, not 1,2,nan,4'),
        (HEADER + 'a.jpg,1,2,3\n', 'boxes.csv:2: x1,y1,x2,y2 must be four numbers, not 1,2,3,None'),
    ],
)
def test_broken_tables_are_named_by_line(convert, tmp_path, text, message):
    write_frame(tmp_path / 'duck/a.jpg')
    table(tmp_path / 'duck', text)
    assert convert('folder', tmp_path).refused(message)


def test_another_folder_is_refused(convert, tmp_path):
    write_frame(tmp_path / 'a.jpg')
    assert convert('folder', tmp_path).refused('no sub-folder has a boxes.csv')
    assert convert('folder', tmp_path / 'nothing').refused('nothing does not exist')


def test_the_shipped_photographs_come_through_unchanged_and_can_be_browsed(convert, run_tool, tmp_path):
    shipped = ROOT / 'data/realset'
    tracks = AnnotationFile(str(shipped / 'annotations.json'), str(shipped)).tracks()
    for number, track in enumerate(tracks):
        folder = tmp_path / 'photos' / f'{number:02d}'
        folder.mkdir(parents=True)
        for frame in track.frames:
            (folder / Path(frame.path).name).symlink_to(frame.path)
        rows = [f'{Path(frame.path).name},{",".join(map(str, frame.box))}\n' for frame in track.frames]
        table(folder, HEADER + ''.join(rows))
    convert('folder', tmp_path / 'photos')
    convert('split_by_instance', tmp_path / 'photos/annotations.json')
    found = AnnotationFile(str(tmp_path / 'photos/annotations.json'), str(tmp_path / 'photos')).tracks()
    assert len(found) == len(tracks) == 24
    for ours, theirs in zip(found, tracks, strict=True):
        boxes = sorted((Path(frame.path).name, *frame.box) for frame in theirs.frames)
        assert [Path(frame.path).name for frame in ours.frames] == [name for name, *_ in boxes]
        for frame, (_, *box) in zip(ours.frames, boxes, strict=True):
            assert frame.box == pytest.approx(box, abs=0.02)
    parts = ['models/focus_qwen2_vl_7b', 'datasets/folder', 'schedules/stage1', 'default_runtime']
    config = tmp_path / 'config.py'
    config.write_text(f'_base_ = {[f"{ROOT}/configs/_base_/{part}.py" for part in parts]}')
    options = ['--cfg-options', f'train_dataloader.dataset.data_root={tmp_path}/photos/']
    run_tool('browse_dataset.py', config, '--output-dir', tmp_path / 'drawn', '--number', '3', *options)
    assert len(list((tmp_path / 'drawn').glob('*.png'))) == 3
