"""Manifests: the same bytes every time, and the episodes that the sampler draws."""

import hashlib
import json

import pytest
from mmdet.registry import TASK_UTILS

from focus_mmdet.datasets import EpisodeDataset
from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.episodes.drawing import draw_episodes
from focus_mmdet.datasets.protocols import PROTOCOLS
from tests.conftest import ROOT

REALSET = ROOT / 'data/realset'


def run(convert, out, *options):
    done = convert('make_episodes', REALSET / 'test.json', out, *options)
    assert done.status == 0, done.err
    return done


@pytest.mark.parametrize(
    'options',
    [
        ['--protocol', 'perseg', '--shots', 2],
        ['--episodes', 'type=RandomEpisodes', 'shots=1,2', 'per_track=4', 'negatives=0.5', 'seed=3'],
    ],
)
def test_a_manifest_is_reproducible_and_reads_back_as_what_was_drawn(convert, tmp_path, options):
    first, second = tmp_path / 'first.json', tmp_path / 'second.json'
    for out in (first, second):
        run(convert, out, '--image-root', REALSET, *options)
    assert first.read_bytes() == second.read_bytes()
    info = json.loads(first.read_text())['info']
    assert info['source_sha256'] == hashlib.sha256((REALSET / 'test.json').read_bytes()).hexdigest()

    drawn = draw_episodes(
        TASK_UTILS.build(info['settings']), AnnotationFile(str(REALSET / 'test.json'), str(REALSET))
    )
    listed = EpisodeDataset(data_root=str(REALSET), ann_file=str(first), pipeline=[])
    assert len(listed) == len(drawn)
    for index, episode in enumerate(drawn):
        assert listed.get_data_info(index) == {**episode.record(index), 'sample_idx': index}


@pytest.mark.parametrize('name', PROTOCOLS)
def test_every_protocol_is_a_sampler(name):
    TASK_UTILS.build({**PROTOCOLS[name], 'shots': 2})


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], 'either --protocol or --episodes'),
        (['--protocol', 'perseg', '--episodes', 'type=RandomEpisodes'], 'either'),
        (['--episodes', 'type=DefaultSampler'], 'must name an episode sampler'),
        (['--episodes', 'RandomEpisodes'], 'is no key=value'),
        (['--episodes', 'shots=1'], 'must name an episode sampler'),
        (['--episodes', 'type=RandomEpisodes', 'shot=1'], 'shot'),
        (['--protocol', 'perseg', '--shots', 50], 'shots need'),
        (['--protocol', 'perseg', '--image-root', 'nowhere'], 'does not exist'),
        (['--protocol', 'permirs', '--keep-going'], 'no episode'),
    ],
)
def test_what_cannot_be_listed_is_said(convert, tmp_path, options, message):
    done = convert('make_episodes', REALSET / 'test.json', tmp_path / 'out.json', *options)
    assert done.status == 2
    assert message in done.err
    assert not (tmp_path / 'out.json').exists()


def test_a_manifest_that_cannot_be_written_is_named_and_the_old_one_stays(convert, tmp_path):
    (tmp_path / 'file').write_text('x')
    options = ['--image-root', REALSET, '--protocol', 'perseg']
    for out in (tmp_path, tmp_path / 'file' / 'x.json'):
        assert convert('make_episodes', REALSET / 'test.json', out, *options).refused('cannot be written')
    assert (tmp_path / 'file').read_text() == 'x'
    assert list(tmp_path.iterdir()) == [tmp_path / 'file']
