"""The command on a synthetic video, with the tiny model."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from focus_mmdet.apis import Reference
from focus_mmdet.cli import run_cli
from focus_mmdet.errors import InputError
from focus_mmdet.results import Located
from tests.conftest import ROOT
from tests.forked_run import run_tool
from tools import track as tool


@pytest.fixture
def clip(tmp_path):
    """Five frames of a square that moves."""
    path = str(tmp_path / 'clip.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*'MJPG'), 20, (96, 64))
    for number in range(5):
        pixels = np.zeros((64, 96, 3), np.uint8)
        pixels[20:40, 10 * number : 10 * number + 20] = 200
        writer.write(pixels)
    writer.release()
    return path


@pytest.fixture
def track(tmp_path, vlm_folder):
    def run(*words):
        options = [f'model.pretrained={vlm_folder()}', 'model.bbox_head.max_new_tokens=2']
        model = ['--config', str(ROOT / 'configs/focus_tiny_stage2.py'), '--checkpoint', 'none']
        return run_tool(
            'tools/track.py', *model, '--cfg-options', *options, '--out-dir', str(tmp_path / 'out'), *words
        )

    return run


def test_each_nth_frame_is_asked_about_each_object(track, clip, tmp_path):
    first, second = f'{clip}#0:0,20,20,40', f'{clip}#4:40,20,60,40'
    run = track(
        '--support', first, '--support', second, first, '--video', clip, '--every', '2', '--save-frames'
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout.splitlines()[-1])
    assert said['frames'] == 3
    assert set(said['found']) == {'object 1', 'object 2'}
    written = json.loads((tmp_path / 'out/annotations.json').read_text())
    assert [image['frame_id'] for image in written['images']] == [0, 2, 4]
    assert len(written['annotations']) == sum(said['found'].values())
    assert cv2.VideoCapture(str(tmp_path / 'out/video.mp4')).get(cv2.CAP_PROP_FPS) == 10


def test_a_folder_of_frames_is_a_video_in_the_order_of_their_numbers(tmp_path):
    for number in (2, 9, 10, 11):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((8, 8, 3), number, np.uint8))
    video = tool.Frames(str(tmp_path), 2, 30.0)
    assert [(number, int(pixels.mean())) for number, pixels in video] == [(0, 2), (2, 10)]
    assert (video.rate, video.count) == (15.0, 2)
    (tmp_path / 'notes.txt').write_text('of the frames')
    assert tool.Frames(str(tmp_path), 1, 30.0).count == 4
    (tmp_path / 'empty').mkdir()
    with pytest.raises(InputError, match='empty: no frames in this folder'):
        tool.Frames(str(tmp_path / 'empty'), 1, 30.0)


class StoppedAtTheThird:
    """Stands for the inferencer: Ctrl-C is pressed while it looks at its third frame."""

    def __init__(self, *_):
        self.asked = 0

    def remember(self, supports, name=None):
        return Reference.of(supports, name)

    def __call__(self, queries, references, pred_score_thr):
        (reference,) = references
        self.asked += 1
        if self.asked == 3:
            raise KeyboardInterrupt
        return [Located('query 0', None, reference.name, (96, 64), (0, 20, 20, 40), 0.9, False, '')]


def test_an_interrupted_run_says_how_far_it_was_and_keeps_what_it_found(clip, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, 'load_inferencer', StoppedAtTheThird)
    words = ['--support', f'{clip}#0:0,20,20,40', '--video', clip, '--out-dir', str(tmp_path / 'out')]
    monkeypatch.setattr('sys.argv', ['track.py', '--checkpoint', 'none', *words])
    with pytest.raises(SystemExit, match='130'):
        run_cli(tool.main)
    assert capsys.readouterr().err == 'interrupted after 2 of 5 frames\n'
    assert len((tmp_path / 'out/mot.txt').read_text().splitlines()) == 2


def test_a_header_may_not_say_how_many_frames_there_are(monkeypatch):
    silent = SimpleNamespace(get=lambda _: 0.0, release=lambda: None)
    monkeypatch.setattr(tool, 'read_frames', lambda _: iter([(0, np.zeros((8, 8, 3), np.uint8))]))
    monkeypatch.setattr(cv2, 'VideoCapture', lambda _: silent)
    assert tool.Frames('clip.avi', 1, 30.0).count is None


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--video', 'CLIP'], 'give --support or --reference'),
        (['--support', 'CLIP#0:0,20,20,40', '--video', 'a.jpg'], '--video a.jpg: no such video'),
        (
            ['--support', 'CLIP#0:0,20,20,40', '--video', 'setup.py'],
            '--video setup.py: no video by its ending',
        ),
        (['--support', 'CLIP#0:0,20,20,40', '--video', 'gone.mp4'], 'gone.mp4: no such video'),
        (['--support', 'CLIP#0:0,20,20,40', '--video', 'CLIP', '--memory', '-1'], 'memory=-1'),
        (['--support', 'CLIP#0:0,20,20,40', '--video', 'CLIP', '--score-thr', '2'], '--score-thr=2'),
    ],
)
def test_bad_input_is_named_before_anything_is_written(track, clip, tmp_path, words, message):
    run = track(*(word.replace('CLIP', clip) for word in words))
    assert run.returncode == 2
    assert message in run.stderr
    assert not (tmp_path / 'out').exists()


def test_files_of_another_program_stay(track, clip, tmp_path):
    (tmp_path / 'out').mkdir()
    truth = tmp_path / 'out/mot.txt'
    truth.write_text('mine')
    run = track('--support', f'{clip}#0:0,20,20,40', '--video', clip)
    assert (run.returncode, truth.read_text()) == (2, 'mine')
    assert 'mot.txt: exists, and this tool did not write it' in run.stderr
    truth.unlink()
    for _ in range(2):
        run = track('--support', f'{clip}#0:0,20,20,40', '--video', clip, '--every', '4')
        assert run.returncode == 0, run.stderr


def test_a_frame_that_cannot_be_asked_about_is_named(track, clip, tmp_path):
    (tmp_path / 'frames').mkdir()
    for number, size in enumerate([(64, 96), (1, 1)]):
        cv2.imwrite(str(tmp_path / f'frames/{number}.png'), np.zeros((*size, 3), np.uint8))
    run = track('--support', f'{clip}#0:0,20,20,40', '--video', str(tmp_path / 'frames'))
    assert run.returncode == 2
    assert 'frames, frame 1 (from 0): too small' in run.stderr
