"""Videos are made of pictures by a camera, and what is followed through them is judged by their boxes."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.errors import InputError
from focus_mmdet.results.located import Located
from tests.conftest import ROOT
from tools.analysis_tools import measure_tracking
from tools.analysis_tools.measure_tracking import Figures, shots, windows

RED = (255, 0, 0)
GALLERY = 'configs/small/feature_matcher_gallery.py'


class RedFinder:
    """Boxes the red pixels of a query; with a learned support it finds nothing."""

    def __init__(self, *_):
        pass

    def remember(self, supports, name):
        return Reference.of(supports, name)

    def __call__(self, queries, references, pred_score_thr):
        (pixels,), (reference,) = queries, references
        box = around(pixels) if len(reference.boxes) == 1 else None
        size = (pixels.shape[1], pixels.shape[0])
        return [Located('query 0', None, reference.name, size, box, float(box is not None), False, '')]


def around(pixels):
    rows, columns = np.nonzero((pixels == RED).all(-1))
    if not len(rows):
        return None
    return tuple(map(float, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)))


def record(path, width, height, box):
    """A picture, red in its box."""
    pixels = np.zeros((height, width, 3), np.uint8)
    if box:
        pixels[box[1] : box[3], box[0] : box[2]] = RED
    Image.fromarray(pixels).save(path)
    instances = [{'bbox': list(map(float, box))}] if box else []
    return {'img_path': str(path), 'width': width, 'height': height, 'instances': instances}


@given(st.integers(9, 500), st.integers(9, 500), st.integers(1, 9), st.integers(0, 9))
def test_a_camera_stays_in_the_picture(width, height, count, seed):
    seen = windows((width, height), count, np.random.default_rng(seed))
    assert len(seen) == count
    for x1, y1, x2, y2 in seen:
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
        assert x2 - x1 >= width // 2 - 1
        assert y2 - y1 >= height // 2 - 1


def test_boxes_move_with_the_camera(tmp_path):
    pictures = [
        record(tmp_path / f'{name}.png', 90, 60, box)
        for name, box in {'corner': (0, 0, 20, 12), 'none': None, 'middle': (40, 20, 60, 41)}.items()
    ]
    frames = list(shots(pictures, 20, 0.5))
    assert len({frame.number for frame in frames}) == len(frames) < 60
    assert sum(frame.box is None for frame in frames) >= 20
    assert sum(frame.box is not None for frame in frames) >= 20
    for frame in frames:
        assert frame.box == around(frame.pixels)
    assert [frame.box for frame in shots(pictures, 0, 0.5)] == [(0, 0, 20, 12), None, (40, 20, 60, 41)]


def test_figures_are_of_frames_with_the_object_and_tell_them_from_others():
    figures = Figures()
    figures.add((0, 0, 10, 10), (0, 0, 10, 5), 0.9)
    figures.add((0, 0, 10, 10), None, 0.2)
    assert figures.row() == {'mIoU': 0.25, 'acc@0.5': 0.5}
    figures.add(None, (0, 0, 5, 5), 0.5)
    assert figures.row() == {'mIoU': 0.25, 'acc@0.5': 0.5, 'auroc': 0.5}


@pytest.fixture
def measure(monkeypatch, capsys, tmp_path):
    """The tool over three red things of four pictures each."""
    images, annotations = [], []
    for number in range(12):
        box = (5 * (number % 4) + 5, 8, 5 * (number % 4) + 25, 30)
        record(tmp_path / f'{number}.png', 60, 40, box)
        images.append(
            dict(id=number, file_name=f'{number}.png', width=60, height=40, video_id=number, frame_id=0)
        )
        bbox = [box[0], box[1], 20, 22]
        annotations.append(dict(id=number, image_id=number, instance_id=number // 4, bbox=bbox))
    (tmp_path / 'a.json').write_text(json.dumps(dict(images=images, annotations=annotations)))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(measure_tracking, 'InContextInferencer', RedFinder)

    def run(*words, **episodes):
        options = {
            'data_root': f'{tmp_path}/',
            'ann_file': 'a.json',
            'episodes.size': 3,
            'episodes.negatives': 0,
        }
        options |= {f'episodes.{key}': value for key, value in episodes.items()}
        changed = [f'test_dataloader.dataset.{key}={value}' for key, value in options.items()]
        command = ['measure_tracking.py', GALLERY, 'none', *words, '--cfg-options', *changed]
        monkeypatch.setattr(sys, 'argv', command)
        measure_tracking.main()
        return capsys.readouterr().out.splitlines()

    return run


def test_what_learning_does_is_a_row_of_each_setting(measure):
    count, *_, last = measure('--memory', '0', '1', '--confident', '0.9', '1', '--spacing', '1')
    assert count == '3 videos, 9 frames, 9 of them with the object'
    figures = json.loads(last)
    assert figures['learns nothing'] == {'mIoU': 1.0, 'acc@0.5': 1.0}
    # The first answer is learned, and from then on it finds nothing.
    for name in ('memory 1, confident 0.9', 'memory 1, confident 1'):
        assert figures[name] == {'mIoU': round(1 / 3, 4), 'acc@0.5': round(1 / 3, 4)}


def test_a_camera_gives_as_many_frames_of_each_picture(measure):
    count, *_ = measure('--pan', '5', '--visible', '0.01', negatives=0.5)
    videos, frames, shown = (int(part.split()[0]) for part in count.split(', '))
    assert (videos, frames) == (3, 45)
    assert 5 <= shown <= 30


@pytest.mark.parametrize(
    'words', [['--pan', '-1'], ['--visible', '0'], ['--memory', '-1'], ['--spacing', '0']]
)
def test_settings_out_of_range_are_named(measure, words):
    with pytest.raises(InputError, match=words[0].strip('-')):
        measure(*words)


def test_frames_that_show_too_little_are_no_measure(measure, monkeypatch):
    monkeypatch.setattr(measure_tracking, 'windows', lambda *_: [[0, 0, 12, 12]])
    with pytest.raises(InputError, match='--visible 1: no frame shows so much'):
        measure('--pan', '1', '--visible', '1')
