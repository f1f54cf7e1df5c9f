"""MOTChallenge: considered pedestrians only, ids by sequence, one copy of every sequence."""

from tests.tools.dataset_converters.conftest import HEIGHT, WIDTH, read_tracks, write_frame


def write_sequence(root, name, lines, frames=2, split='train', digits=6):
    folder = root / split / name
    for number in range(1, frames + 1):
        write_frame(folder / 'img1' / f'{number:0{digits}d}.jpg')
    (folder / 'gt').mkdir(parents=True)
    (folder / 'gt' / 'gt.txt').write_text('\n'.join(lines) + '\n')
    (folder / 'seqinfo.ini').write_text(
        f'[Sequence]\nname={name}\nimDir=img1\nframeRate=30\nseqLength={frames}\n'
        f'imWidth={WIDTH}\nimHeight={HEIGHT}\nimExt=.jpg\n'
    )
    return folder


def test_ids_count_within_their_sequence(convert, tmp_path):
    lines = ['1,1,2,3,10,12,1,1,1', '2,1,3,3,10,12,1,1,0.5', '1,7,11,3,40,12,1,1,1', '3,1,4,3,10,12,1,1,1']
    write_sequence(tmp_path, 'MOT17-02-DPM', lines, frames=3)
    write_sequence(tmp_path, 'MOT17-02-FRCNN', lines, frames=3)
    write_sequence(tmp_path, 'dancetrack0001', ['1,1,1,1,5,5,1,1,1'], frames=1, digits=8)
    done = convert('mot', tmp_path, '--stride', 2)
    assert done.status == 0, done.err
    first = 'train/MOT17-02-DPM/img1/00000{}.jpg'.format
    assert read_tracks(tmp_path / 'train.json', tmp_path) == {
        'MOT17-02-DPM/1': [(first(1), (1, 2, 11, 14)), (first(3), (3, 2, 13, 14))],
        'MOT17-02-DPM/7': [(first(1), (10, 2, 40, 14))],
        'dancetrack0001/1': [('train/dancetrack0001/img1/00000001.jpg', (0, 0, 5, 5))],
    }
    assert done.drops() == {'sequence again under another detector': 1}


def test_every_fault_is_counted_with_its_reason(convert, tmp_path):
    good = '1,1,2,3,10,12,1,1,1'
    lines = [
        good, '1,2,2,3,10,12,0,1,1', '1,3,2,3,10,12,1,7,1', '1,1,5,3,10,12,1,1,1', '1,4,2,3,0,0,1,1,1',
        '1,5,90,3,4,4,1,1,1', '9,1,2,3,10,12,1,1,1', '1,x,2,3,10,12,1,1,1', '1,6,2,3', '1.5,9,2,3,9,9,1,1',
        '1,8,2,3,10,12,1,1,0', '1,9,2,3,10,12,1,1,unseen',
        '2,1,2,3,10,12,1,1,1', '3,1,2,3,10,12,1,1,1', '4,1,2,3,10,12,1,1,1',
    ]  # fmt: skip
    folder = write_sequence(tmp_path, 'MOT20-01', lines, frames=4)
    (folder / 'img1/000002.jpg').unlink()
    (folder / 'img1/000003.jpg').write_bytes(b'no picture')
    write_frame(folder / 'img1/000004.jpg', (HEIGHT, WIDTH))
    (write_sequence(tmp_path, 'MOT20-02', [good]) / 'gt/gt.txt').unlink()
    (write_sequence(tmp_path, 'MOT20-03', [good]) / 'seqinfo.ini').write_text('[Sequence]\nimWidth=wide\n')
    write_sequence(tmp_path, 'MOT20-04', [good], frames=0)
    write_sequence(tmp_path, 'MOT20-05', ['1,1,2,3,10,12,1,3,1'])
    done = convert('mot', tmp_path, '--stride', 1)
    assert done.status == 0, done.err
    assert done.drops() == {
        'entry that is not to be considered': 1,
        'entry that is no pedestrian': 2,
        'entry of visibility 0': 1,
        'two boxes of one object in an image': 1,
        'empty box': 1,
        'box outside its image': 1,
        'entry beyond the end of its sequence': 2,
        'line that is not numbers': 4,
        'missing image': 1,
        'unreadable image': 1,
        'image of another size than annotated': 1,
        'missing label file': 1,
        'unreadable seqinfo.ini': 1,
        'video without usable frames': 1,
        'video without boxes': 1,
    }
    assert list(read_tracks(tmp_path / 'train.json', tmp_path)) == ['MOT20-01/1']


def test_lengths_and_images_that_do_not_agree(convert, tmp_path):
    good = '1,1,2,3,10,12,1,1,1'
    long = write_sequence(tmp_path, 'a', [good]) / 'seqinfo.ini'
    long.write_text(long.read_text().replace('seqLength=2', 'seqLength=100000000'))
    (write_sequence(tmp_path, 'b', [good]) / 'img1/000002.jpg').rename(tmp_path / 'train/b/img1/000000.jpg')
    star = write_sequence(tmp_path, 'c', [good]) / 'seqinfo.ini'
    star.write_text(star.read_text().replace('.jpg', '**'))
    done = convert('mot', tmp_path, '--stride', 1)
    assert done.status == 0, done.err
    assert done.drops() == {
        'sequence of fewer images than its length': 2,
        'image that no label asks for': 1,
        'video without usable frames': 1,
    }


def test_bad_calls_end_with_one_message(convert, tmp_path):
    done = convert('mot', tmp_path)
    assert done.status == 2
    assert 'Expected MOTChallenge' in done.err
    (write_sequence(tmp_path, 'MOT20-04', [], split='test') / 'gt/gt.txt').unlink()
    done = convert('mot', tmp_path, '--split', 'test')
    assert done.status == 2
    assert 'are not published' in done.err
