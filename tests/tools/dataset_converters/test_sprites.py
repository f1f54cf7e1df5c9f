"""Drawn videos: exact boxes, look-alikes of one class, and objects that are missing."""

import json

import pytest
from PIL import Image

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from tests.conftest import ROOT

SPRITES = ROOT / 'data/sprites/test'


def test_drawn_videos_are_tracks_with_look_alikes_and_absences(convert, tmp_path):
    outs = [tmp_path / 'a' / 'drawn.json', tmp_path / 'b' / 'drawn.json']
    for out in outs:
        done = convert('sprites', SPRITES, '--out', out, '--videos', 2, '--frames', 6, '--look-alikes', 2)
        assert done.status == 0, done.err
    assert outs[0].read_bytes() == outs[1].read_bytes()
    tracks = AnnotationFile(str(outs[0]), str(outs[0].parent)).tracks()
    assert len(tracks) == 2 * 5
    assert all(len(track.frames) + len(track.absent) == 6 for track in tracks)
    assert any(track.absent for track in tracks)
    alike = [sum(frame.alike) for track in tracks for frame in track.frames]
    assert max(alike) == 2
    names = [record['name'] for record in json.loads(outs[0].read_text())['categories']]
    assert len(names) == len(set(names))


def test_too_few_drawings_are_said(convert, tmp_path):
    done = convert('sprites', tmp_path, '--out', tmp_path / 'x.json')
    assert done.status == 2
    assert '0 drawings' in done.err


def test_drawings_that_show_nothing_are_named(convert, tmp_path):
    for number in range(3):
        Image.new('RGBA', (20, 20), (255, 0, 0, 0)).save(tmp_path / f'{number}.png')
    out = tmp_path / 'out' / 'x.json'
    assert convert('sprites', tmp_path, '--out', out, '--videos', 1).refused('transparent everywhere')
    for number in range(3):
        (tmp_path / f'{number}.png').write_bytes(b'nothing')
    assert convert('sprites', tmp_path, '--out', out, '--videos', 1).refused('cannot be read as an image')


@pytest.mark.parametrize('option', ['--size', '--look-alikes', '--others'])
def test_sizes_and_numbers_are_bounded(convert, tmp_path, option):
    assert convert('sprites', SPRITES, '--out', tmp_path / 'x.json', option, 10**6).refused(option)


def test_a_full_scene_still_ends(convert, tmp_path):
    done = convert(
        'sprites', SPRITES, '--out', tmp_path / 'x.json', '--videos', 1, '--frames', 1,
        '--size', 64, '--look-alikes', 16, '--others', 4,
    )  # fmt: skip
    assert done.status == 0, done.err
