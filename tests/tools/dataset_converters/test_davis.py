from PIL import Image

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from tests.tools.dataset_converters.conftest import write_frame, write_mask


def frame(root, sequence, number, boxes):
    write_frame(root / f'JPEGImages/480p/{sequence}/{number:05d}.jpg')
    if boxes is not None:
        write_mask(root / f'Annotations/480p/{sequence}/{number:05d}.png', boxes)


def listed(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def found(path, root):
    return {
        track.name: [(frame.path[-9:-4], frame.box) for frame in track.frames]
        for track in AnnotationFile(str(path), str(root)).tracks()
    }


def test_values_of_2017_name_objects_and_255_none(convert, tmp_path):
    first, second, void = (3, 4, 10, 12), (20, 2, 5, 6), (0, 28, 40, 2)
    frame(tmp_path, 'dogs', 0, {1: first, 2: second, 255: void})
    frame(tmp_path, 'dogs', 1, {1: (4, 5, 10, 12)})
    frame(tmp_path, 'dogs', 2, {2: second})
    frame(tmp_path, 'late', 0, {})
    frame(tmp_path, 'late', 1, {255: void})
    frame(tmp_path, 'late', 2, {1: first})
    frame(tmp_path, 'late', 3, None)
    frame(tmp_path, 'unlisted', 0, {1: first})
    listed(tmp_path, 'ImageSets/2017/train.txt', 'dogs\nlate\nempty\ndogs\n')
    done = convert('davis', tmp_path)
    assert found(tmp_path / 'train.json', tmp_path) == {
        'instance_id 1': [('00000', (3, 4, 13, 16)), ('00001', (4, 5, 14, 17))],
        'instance_id 2': [('00000', (20, 2, 25, 8)), ('00002', (20, 2, 25, 8))],
        'instance_id 3': [('00002', (3, 4, 13, 16))],
    }
    images = AnnotationFile(str(tmp_path / 'train.json'), str(tmp_path)).content['images']
    assert [image.get('absent') for image in images] == [None, [2], [1], None]
    assert 'dropped 2 times: empty mask' in done.out
    assert 'dropped 1 times: missing or unreadable mask' in done.out
    assert 'dropped 1 times: video without usable frames; the first: empty' in done.out
    assert 'dropped 1 times: video named twice; the first: dogs' in done.out


def test_open_pixels_may_be_the_object(convert, tmp_path):
    box = (3, 4, 10, 12)
    for number, boxes in enumerate([{1: box}, {2: box}, {2: box, 255: (20, 20, 3, 3)}]):
        frame(tmp_path, 'dogs', number, boxes)
    listed(tmp_path, 'ImageSets/2017/train.txt', 'dogs')
    convert('davis', tmp_path)
    images = AnnotationFile(str(tmp_path / 'train.json'), str(tmp_path)).content['images']
    assert [image.get('absent') for image in images] == [None, [1], None]


def test_frames_come_in_the_order_of_their_numbers(convert, tmp_path):
    for number in (8, 9, 10):
        write_frame(tmp_path / f'JPEGImages/480p/dogs/{number}.jpg')
        write_mask(tmp_path / f'Annotations/480p/dogs/{number}.png', {1: (number, 4, 10, 12)})
    listed(tmp_path, 'ImageSets/2017/train.txt', 'dogs')
    convert('davis', tmp_path)
    (track,) = AnnotationFile(str(tmp_path / 'train.json'), str(tmp_path)).tracks()
    assert [frame.box[0] for frame in track.frames] == [8, 9, 10]


def test_2016_has_one_object_and_lists_of_frames(convert, tmp_path):
    for number in range(5):
        frame(tmp_path, 'bear', number, {255: (number, 0, 10, 10)})
    lines = [f'/JPEGImages/480p/bear/{i:05d}.jpg /Annotations/480p/bear/{i:05d}.png' for i in range(5)]
    listed(tmp_path, 'ImageSets/480p/val.txt', '\n'.join(lines))
    out = tmp_path / 'out' / 'x.json'
    convert('davis', tmp_path, '--year', '2016', '--split', 'val', '--stride', '2', '--out', out)
    expected = [(f'{number:05d}', (number, 0, number + 10, 10)) for number in (0, 2, 4)]
    assert found(out, tmp_path) == {'instance_id 1': expected}


def test_masks_in_colours_name_no_objects(convert, tmp_path):
    frame(tmp_path, 'bear', 0, {1: (0, 0, 5, 5), 2: (9, 9, 5, 5)})
    frame(tmp_path, 'dog', 0, {1: (0, 0, 5, 5), 2: (9, 9, 5, 5)})
    path = tmp_path / 'Annotations/480p/dog/00000.png'
    Image.open(path).convert('RGB').save(path)
    listed(tmp_path, 'ImageSets/2017/train.txt', '\ufeffbear\ndog\n')
    done = convert('davis', tmp_path)
    assert '2 objects in 1 videos' in done.out
    assert done.drops()['missing or unreadable mask'] == 1


def test_lists_that_cannot_be_used_are_refused(convert, tmp_path):
    frame(tmp_path, 'bear', 0, {1: (0, 0, 5, 5)})
    for text, message in [
        (b'b\xe9ar', 'in UTF-8'),
        ('bear'.encode('utf-16'), 'in UTF-8'),
        (b'', 'the list is empty'),
        (b'../480p/bear', 'entry 1'),
    ]:
        listed(tmp_path, 'ImageSets/2017/train.txt', '')
        (tmp_path / 'ImageSets/2017/train.txt').write_bytes(text)
        assert convert('davis', tmp_path).refused(message)
    listed(tmp_path, 'ImageSets/480p/train.txt', 'bear\n')
    assert convert('davis', tmp_path, '--year', '2016').refused('--year 2016 expects such as /JPEGImages')


def test_another_folder_or_split_is_refused(convert, tmp_path):
    assert convert('davis', tmp_path).refused('JPEGImages/480p does not exist. Expected DAVIS')
    frame(tmp_path, 'bear', 0, {1: (0, 0, 2, 2)})
    listed(tmp_path, 'ImageSets/2017/val.txt', 'bear')
    assert convert('davis', tmp_path).refused('no such list; there are: val')
    assert convert('davis', tmp_path, '--stride', '0').refused('--stride')
