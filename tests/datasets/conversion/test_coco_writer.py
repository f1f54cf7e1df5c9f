"""What a converter ends in can be read back, and nothing is dropped in silence."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.errors import InputError


def test_what_was_written_reads_back_as_tracks(tmp_path):
    with CocoWriter(tmp_path / 'train.json') as writer:
        for video in ('street', 'park'):
            assert writer.start_video(video)
            for frame in range(3):
                name = f'{video}/{frame}.png'
                (tmp_path / video).mkdir(exist_ok=True)
                Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / name)
                assert writer.add_image(name, 40, 30, frame)
                assert writer.add_box(f'{video}/dog', (frame, 2, 10, 12), 'dog')
    file = AnnotationFile(str(tmp_path / 'train.json'), str(tmp_path))
    tracks = file.tracks()
    assert [len(track.frames) for track in tracks] == [3, 3]
    assert tracks[1].frames[2].box == (2, 2, 12, 14)
    assert file.content['instances'] == [dict(id=1, name='street/dog'), dict(id=2, name='park/dog')]
    assert '2 objects in 2 videos, 6 images, 6 boxes' in writer.report()


@given(st.lists(st.tuples(*[st.floats(-60, 60) for _ in range(4)]), min_size=1, max_size=20))
def test_every_box_is_written_inside_its_image_or_counted(tmp_path, boxes):
    with CocoWriter(tmp_path / 'x.json') as writer:
        writer.start_video('v')
        writer.add_image('a.jpg', 40, 30, 0)
        writer.add_box('sure', (0, 0, 5, 5))
        for number, box in enumerate(boxes):
            writer.add_box(number, box)
    written = json.loads((tmp_path / 'x.json').read_text())['annotations']
    assert len(written) + sum(writer.dropped.values()) == len(boxes) + 1
    for record in written:
        x, y, w, h = record['bbox']
        assert x >= 0
        assert y >= 0
        assert w > 0
        assert h > 0
        assert x + w <= 40.01
        assert y + h <= 30.01


@pytest.mark.parametrize(
    ('reason', 'act'),
    [
        ('empty box', lambda w: w.add_box('b', (0, 0, 0, 0))),
        ('box outside its image', lambda w: w.add_box('b', (50, 3, 4, 4))),
        ('box that is not four finite numbers', lambda w: w.add_box('b', (0, 0, float('nan'), 2))),
        ('box that is not four finite numbers', lambda w: w.add_box('b', (0, 0, 2))),
        ('box that is not four finite numbers', lambda w: w.add_box('b', None)),
        ('box that is not four finite numbers', lambda w: w.add_box('b', (0, 0, '2', 2))),
        ('two boxes of one object in an image', lambda w: w.add_box('a', (1, 1, 3, 3))),
        ('absent, yet with a box in the image', lambda w: w.add_absent('a')),
        ('box of an object that is absent', lambda w: w.add_absent('b') or w.add_box('b', (0, 0, 5, 5))),
        ('box that looks like fractions of the image', lambda w: w.add_box('b', (0.25, 0.25, 0.625, 0.75))),
        ('box that is smaller than a pixel', lambda w: w.add_box('b', (3, 4, 0.9, 9))),
        ('box that is not four finite numbers', lambda w: w.add_box('b', (True, 0, 5, 5))),
        ('absent, yet with a box in the image', lambda w: w.add_box('b', (0, 0, 0, 0)) or w.add_absent('b')),
        ('file twice in a video', lambda w: w.add_image('a.jpg', 40, 30, 1)),
        ('file_name that leaves the image folder', lambda w: w.add_image_file('x', '../a.jpg', 1)),
        ('file_name that leaves the image folder', lambda w: w.add_image_file('x', '/a.jpg', 1)),
        ('frame twice in a video', lambda w: w.add_image('again.jpg', 40, 30, 0)),
        ('image without a size', lambda w: w.add_image('none.jpg', 0, 30, 1)),
        ('video named twice', lambda w: w.start_video('v')),
    ],
)
def test_what_is_dropped_is_counted_with_its_reason_and_an_example(tmp_path, reason, act):
    with CocoWriter(tmp_path / 'x.json') as writer:
        writer.start_video('v')
        writer.add_image('a.jpg', 40, 30, 0)
        writer.add_box('a', (0, 0, 5, 5))
        assert not act(writer)
    assert f'dropped 1 times: {reason}' in writer.report()


@pytest.mark.parametrize('span', [False, True])
def test_an_object_in_two_videos_is_kept_only_where_that_makes_sense(tmp_path, span):
    with CocoWriter(tmp_path / 'x.json', objects_span_videos=span) as writer:
        for video in 'ab':
            writer.start_video(video)
            writer.add_image(f'{video}.jpg', 40, 30, 0)
            assert writer.add_box('same', (0, 0, 5, 5)) == (span or video == 'a')
    assert writer.dropped['object id in two videos'] == (not span)


def test_after_an_error_the_old_file_is_still_there(tmp_path):
    path = tmp_path / 'x.json'
    old = '{"categories": [],\n"instances": []}'
    path.write_text(old)

    def fail():
        with CocoWriter(path) as writer:
            writer.start_video('v')
            writer.add_image('a.jpg', 40, 30, 0)
            writer.add_box('a', (0, 0, 5, 5))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with pytest.raises(InputError, match='nothing is left'), CocoWriter(path):
        pass
    assert path.read_text() == old
    assert list(tmp_path.iterdir()) == [path]


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path):
    import tracemalloc

    def peak(frames):
        tracemalloc.start()
        with CocoWriter(tmp_path / 'big.json') as writer:
            for video in range(frames // 100):
                writer.start_video(str(video))
                for frame in range(100):
                    writer.add_image(f'{video}/{frame}.jpg', 40, 30, frame)
                    writer.add_box('one' if video == 0 else (video % 2, 'x', 0), (0, 0, 5, 5))
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    peak(1000)
    assert peak(20000) < 3 * peak(1000)


def test_sizes_are_read_from_the_files_and_bad_files_counted(tmp_path):
    Image.new('RGB', (40, 30)).save(tmp_path / 'a.png')
    (tmp_path / 'broken.jpg').write_bytes(b'not an image')
    with CocoWriter(tmp_path / 'x.json') as writer:
        writer.start_video('v')
        assert writer.add_image_file(tmp_path, 'a.png', 0, size=(40, 30))
        assert writer.add_box('a', (0, 0, 5, 5))
        assert not writer.add_image_file(tmp_path, 'a.png', 1, size=(30, 40))
        assert not writer.add_image_file(tmp_path, 'gone.png', 2)
        assert not writer.add_image_file(tmp_path, 'broken.jpg', 3)
        writer.start_video('empty')
    assert writer.dropped == {
        'image of another size than annotated': 1,
        'missing image': 1,
        'unreadable image': 1,
    }
    assert '1 objects in 1 videos, 1 images, 1 boxes' in writer.report()


def test_a_path_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / 'file').write_text('x')
    for path, message in [(tmp_path, 'a folder'), (tmp_path / 'file' / 'x.json', 'cannot be written')]:
        with pytest.raises(InputError, match=message), CocoWriter(path):
            pass


def test_what_another_program_wrote_is_never_replaced(tmp_path):
    for name, text in [('groundtruth.txt', '1,2,3,4'), ('train.json', '{"categories": [], "images": []}')]:
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match='did not write it'), CocoWriter(tmp_path / name):
            pass
        assert (tmp_path / name).read_text() == text


def test_an_absence_claims_no_object_of_another_video(tmp_path):
    with CocoWriter(tmp_path / 'x.json') as writer:
        for video in 'ab':
            writer.start_video(video)
            writer.add_image(f'{video}.jpg', 40, 30, 0)
            writer.add_absent('of b')
            writer.add_image(f'{video}2.jpg', 40, 30, 1)
            assert writer.add_box(f'of {video}', (0, 0, 5, 5))
    images = json.loads((tmp_path / 'x.json').read_text())['images']
    assert [image.get('absent') for image in images] == [None, None, [2], None]
    assert writer.dropped == {'absent, and without a box in the video': 1}


def test_no_absence_is_claimed_against_what_was_dropped(tmp_path):
    with CocoWriter(tmp_path / 'x.json') as writer:
        writer.start_video('v')
        writer.add_image('a.jpg', 40, 30, 0)
        writer.add_box('in v', (0, 0, 5, 5))
        for number, act in enumerate(
            [
                lambda: writer.add_box('in v', (0, 0, 5, 5)),
                lambda: writer.add_box('in v', (0, 0, 0, 0)),
                lambda: writer.add_image('again.jpg', 40, 30, 3),
                lambda: writer.add_image('3.jpg', 40, 30, 9),
                lambda: True,
            ]
        ):
            writer.add_image(f'{number}.jpg', 40, 30, number + 1)
            writer.add_absent('in v')
            act()
    images = json.loads((tmp_path / 'x.json').read_text())['images']
    assert [image['file_name'] for image in images if 'absent' in image] == ['4.jpg']


@pytest.mark.parametrize(
    ('options', 'second', 'listed'),
    [
        ({}, (0, 0, 5, 5), ['a']),
        ({'objects_span_videos': True}, (0, 0, 5, 5), []),
        ({'objects_span_videos': True}, (0, 0, 0, 0), ['a']),
        ({'objects_span_videos': True, 'exhaustive': False}, (0, 0, 5, 5), ['a', 'b']),
    ],
)
def test_the_file_says_which_objects_may_be_in_other_videos(tmp_path, options, second, listed):
    with CocoWriter(tmp_path / 'x.json', **options) as writer:
        writer.start_video('v')
        writer.add_image('a.jpg', 40, 30, 0)
        writer.add_box('a', (0, 0, 5, 5))
        writer.start_video('w')
        writer.add_image('b.jpg', 40, 30, 0)
        writer.add_box('a', second)
        writer.add_box('b', (0, 0, 5, 5))
        writer.add_box('b', (1, 0, 5, 5))
    objects = json.loads((tmp_path / 'x.json').read_text())['instances']
    assert [each['name'] for each in objects if each.get('absence') == 'listed'] == listed


def test_boxes_that_overhang_are_counted(tmp_path):
    with CocoWriter(tmp_path / 'x.json') as writer:
        writer.start_video('v')
        writer.add_image('a.jpg', 40, 30, 0)
        assert writer.add_box('a', (-0.5, 0, 5, 5))
        assert 'clipped' not in writer.report()
        assert writer.add_box('b', (30, 0, 20, 5))
    assert 'clipped 1 times: box beyond its image; the first: a.jpg (object b' in writer.report()
