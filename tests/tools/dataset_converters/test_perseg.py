from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from tests.tools.dataset_converters.conftest import write_frame, write_mask


def write(root, name, box, size=(40, 30), mask_size=None):
    write_frame(root / 'Images' / f'{name}.jpg', size)
    write_mask(root / 'Annotations' / f'{name}.png', box and {1: box}, mask_size or size)


def test_masks_become_boxes_and_the_rest_is_counted(convert, tmp_path):
    write(tmp_path, 'can/00', (3, 4, 10, 12))
    write(tmp_path, 'can/01', (0, 0, 60, 20), size=(60, 20))
    write(tmp_path, 'dog/00', (39, 29, 1, 1))
    write(tmp_path, 'dog/01', {}, size=(40, 30))
    write(tmp_path, 'dog/02', (1, 1, 2, 2), mask_size=(20, 15))
    write_frame(tmp_path / 'Images/dog/03.jpg')
    write_mask(tmp_path / 'Annotations/dog/04.png', {1: (1, 1, 2, 2)})
    write_mask(tmp_path / 'Annotations/dog/05.png', {1: (1, 1, 2, 2)})
    (tmp_path / 'Images/dog/05.jpg').write_bytes(b'nothing')
    (tmp_path / 'Images/dog/06.png').write_bytes(b'nothing')
    (tmp_path / 'Images/none').mkdir()
    done = convert('perseg', tmp_path)
    tracks = AnnotationFile(str(tmp_path / 'annotations.json'), str(tmp_path)).tracks()
    found = [[(frame.path, frame.box) for frame in track.frames] for track in tracks]
    images = tmp_path / 'Images'
    assert found == [
        [(str(images / 'can/00.jpg'), (3, 4, 13, 16)), (str(images / 'can/01.jpg'), (0, 0, 60, 20))],
        [(str(images / 'dog/00.jpg'), (39, 29, 40, 30))],
    ]
    assert '2 objects in 3 videos, 3 images, 3 boxes' in done.out
    for reason, example in [
        ('empty mask', 'dog/01.png'),
        ('image of another size than annotated', 'dog/02.jpg'),
        ('missing or unreadable mask', 'dog/03.png'),
        ('mask without a photograph', 'dog/04.png'),
        ('unreadable image', 'dog/05.jpg'),
        ('not a photograph (.jpg)', 'dog/06.png'),
        ('object without photographs', 'none'),
    ]:
        (line,) = [line for line in done.out.splitlines() if f'dropped 1 times: {reason}' in line]
        assert example in line


def test_another_folder_is_refused(convert, tmp_path):
    assert convert('perseg', tmp_path).refused('Images does not exist. Expected PerSeg')
    (tmp_path / 'Images').mkdir()
    (tmp_path / 'Annotations').mkdir()
    assert convert('perseg', tmp_path).refused('no photograph')
    assert not (tmp_path / 'annotations.json').exists()
