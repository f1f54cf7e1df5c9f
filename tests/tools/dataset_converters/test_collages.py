"""Pictures made of photographs and drawings: two files of boxes that training reads, each time alike."""

import json
import shutil

import pytest
from mmdet.registry import DATASETS

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from tests.conftest import ROOT

REALSET, SPRITES = ROOT / 'data/realset', ROOT / 'data/sprites/test'


@pytest.fixture
def photos(tmp_path):
    """Two photographs of one object."""
    content = json.loads((REALSET / 'train.json').read_text())
    content['annotations'] = [each for each in content['annotations'] if each['instance_id'] == 17][:2]
    shown = {each['image_id'] for each in content['annotations']}
    content['images'] = [image for image in content['images'] if image['id'] in shown]
    for image in content['images']:
        path = tmp_path / 'photos' / image['file_name']
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REALSET / image['file_name'], path)
    file = tmp_path / 'photos/train.json'
    file.write_text(json.dumps(content))
    return file


def test_both_files_are_read_with_objects_that_come_again_or_are_absent(convert, photos, tmp_path):
    outs = [tmp_path / 'a', tmp_path / 'b']
    for out in outs:
        done = convert('collages', photos, '--drawings', SPRITES, '--out', out, '--pictures', 30)
        assert done.status == 0, done.err
    for name in ('photographed.json', 'drawn.json'):
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()
        tracks = AnnotationFile(str(outs[0] / name), str(outs[0])).tracks()
        assert any(len(track.frames) > 1 for track in tracks)
        assert any(track.absent for track in tracks)
    dataset = DATASETS.build(
        dict(
            type='EpisodeDataset',
            data_root=str(outs[0]),
            ann_file='photographed.json',
            episodes=dict(type='RandomEpisodes', shots=1, per_track=4, negatives=0.5),
            bad_records='drop',
            pipeline=[],
        )
    )
    assert {bool(episode['instances']) for episode in (dataset[index] for index in range(len(dataset)))} == {
        True,
        False,
    }


def test_drawings_without_transparency_are_named(convert, photos, tmp_path):
    done = convert('collages', photos, '--drawings', REALSET, '--out', tmp_path / 'out')
    assert (done.status, 'no drawings there' in done.err) == (2, True)
