"""What a dataset keeps for its next start: the same episodes, and none that are not up to date."""

import json
import multiprocessing
import os
import re
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import TASK_UTILS
from PIL import Image

from focus_mmdet.datasets import EpisodeDataset, RandomEpisodes, episode, episode_dataset, image_file
from focus_mmdet.datasets.annotations import coco, image_files
from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.episodes import cache, columns, drawing
from focus_mmdet.datasets.episodes.drawing import draw_episodes
from focus_mmdet.errors import InputError
from tests.datasets.annotations import drawn_files

SPAN = dict(type='UniformSpanEpisodes', shots=2)


def load(folder, **options):
    options.setdefault('episodes', SPAN)
    return EpisodeDataset(data_root=str(folder), ann_file='ann.json', pipeline=[], **options)


def records(folder, **options):
    """All of a dataset, or its error."""
    try:
        dataset = load(folder, **options)
    except InputError as error:
        return str(error)
    return [dataset.get_data_info(index) for index in range(len(dataset))], list(dataset.unreadable._paths)


def kept(folder, **options):
    """As ``records``, of a start that may not read the annotation file's records."""
    with patch.object(EpisodeDataset, '_read', side_effect=AssertionError('read anew')):
        return records(folder, **options)


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp('images')
    drawn_files.write_images(path)
    return path


@pytest.fixture
def videos(tmp_path):
    """Two objects in a video of four frames each."""
    content = dict(images=[], annotations=[])
    for number in range(8):
        Image.new('RGB', (40, 30)).save(tmp_path / f'{number}.jpg')
        image = dict(id=number, file_name=f'{number}.jpg', width=40, height=30, video_id=number // 4)
        content['images'].append(dict(image, frame_id=number))
        box = dict(id=number, image_id=number, instance_id=number // 4, bbox=[2.5, 3, 10, 12])
        content['annotations'].append(box)
    write(tmp_path, content)
    return content


@pytest.fixture
def said(monkeypatch):
    """What is logged."""
    messages = []
    for module in (cache, episode_dataset):
        monkeypatch.setattr(module, 'print_log', lambda message, *_: messages.append(message))
    return messages


def write(folder, content):
    (folder / 'ann.json').write_text(json.dumps(content))


@given(drawn_files.files(), drawn_files.samplers(), st.sampled_from(['error', 'drop']))
@settings(max_examples=60)
def test_later_starts_have_what_a_reading_has(images, content, sampler, bad_records):
    write(images, content)
    options = dict(episodes=sampler, bad_records=bad_records)
    cache = str(images / 'cache')
    read = records(images, cache=False, **options)
    assert records(images, cache=cache, **options) == read
    if not isinstance(read, str):
        assert kept(images, cache=cache, **options) == read


@given(drawn_files.sound_files(), drawn_files.samplers())
def test_columns_hold_the_episodes_that_the_sampler_draws(images, content, sampler):
    write(images, content)
    found = records(images, cache=False, episodes=sampler)
    file = AnnotationFile(str(images / 'ann.json'), str(images))
    if isinstance(found, str):
        with pytest.raises(InputError, match=re.escape(found)):
            draw_episodes(TASK_UTILS.build(dict(sampler)), file)
        return
    episodes = draw_episodes(TASK_UTILS.build(dict(sampler)), file)
    expected = [{**each.record(number), 'sample_idx': number} for number, each in enumerate(episodes)]
    assert found[0] == expected
    frames = (frame for each in episodes for frame in (*each.supports, each.query))
    assert found[1] == sorted({frame.path for frame in frames})


def test_a_manifest_and_what_it_cannot_hold_are_kept(images):
    frame = dict(file_name='0.jpg', width=40, height=30, bbox=[1, 2, 10.5, 12], video_id='a', frame_id=7)
    other = dict(frame, file_name='1.jpg', frame_id=9, distractors=[[3, 3, 9, 9]], look_alikes=[True])
    absent = dict(frame, file_name='2.png', bbox=None, absent_kind='in_class')
    episodes = [dict(supports=[frame, other], query=absent), dict(supports=[frame], query=other)]
    write(images, dict(info=dict(unjudged=['7: missing image']), episodes=episodes))
    read = records(images, cache=str(images / 'cache'), episodes=None)
    assert read[0][0]['unjudged'] == ['7: missing image']
    assert (read[0][0]['absent_kind'], read[0][1]['look_alikes'], read[0][1]['gap']) == (
        'in_class',
        [True],
        2,
    )
    assert kept(images, cache=str(images / 'cache'), episodes=None) == read


def test_only_large_files_are_kept_unless_a_folder_is_named(tmp_path, videos, monkeypatch):
    records(tmp_path)
    assert not (tmp_path / '.focus_mmdet').exists()
    monkeypatch.setattr(episode_dataset, 'WORTH_KEEPING', 100)
    records(tmp_path, cache=False)
    assert not (tmp_path / '.focus_mmdet').exists()
    read = records(tmp_path)
    assert kept(tmp_path) == read
    for wrong in ('', None, 3):
        with pytest.raises(InputError, match='cache='):
            load(tmp_path, cache=wrong)


class OwnSampler(RandomEpisodes):
    """A project's own."""


def shift_a_box(folder, content):
    content['annotations'][3]['bbox'][0] += 1
    write(folder, content)


@pytest.mark.parametrize(
    'change',
    [
        shift_a_box,
        lambda folder, content: dict(episodes=dict(SPAN, shots=1)),
        lambda folder, content: dict(episodes=dict(SPAN, seed=1)),
        lambda folder, content: dict(episodes=dict(SPAN, type='RandomEpisodes')),
        lambda folder, content: dict(episodes=dict(SPAN, type=OwnSampler)),
        lambda folder, content: dict(bad_records='drop'),
        lambda folder, content: dict(allow_outside=True),
        lambda folder, content: dict(data_prefix=dict(img='other')),
    ],
)
def test_any_change_of_what_episodes_depend_on_is_a_reading(tmp_path, videos, change):
    (tmp_path / 'other').symlink_to(tmp_path)
    cache = str(tmp_path / 'cache')
    records(tmp_path, cache=cache)
    options = change(tmp_path, videos) or {}
    with pytest.raises(AssertionError, match='read anew'):
        kept(tmp_path, cache=cache, **options)
    read = records(tmp_path, cache=False, **options)
    assert records(tmp_path, cache=cache, **options) == read
    assert kept(tmp_path, cache=cache, **options) == read


def test_other_code_of_a_sampler_is_a_reading(tmp_path, videos, monkeypatch):
    cache, source = str(tmp_path / 'cache'), tmp_path / 'own.py'
    source.write_text('# one')
    monkeypatch.setattr('inspect.getfile', lambda kind: str(source))
    options = dict(cache=cache, episodes=dict(type=OwnSampler))
    read = records(tmp_path, **options)
    assert kept(tmp_path, **options) == read
    source.write_text('# two')
    with pytest.raises(AssertionError, match='read anew'):
        kept(tmp_path, **options)
    source.unlink()
    assert records(tmp_path, **options) == read
    with pytest.raises(AssertionError, match='read anew'):
        kept(tmp_path, **options)


@pytest.mark.parametrize('module', [episode, image_file, coco, drawing, columns])
def test_other_code_of_ours_is_a_reading(tmp_path, videos, monkeypatch, module):
    folder, read = str(tmp_path / 'cache'), Path.read_bytes
    records(tmp_path, cache=folder)
    monkeypatch.setattr(Path, 'read_bytes', lambda path: read(path) + b'#' * (str(path) == module.__file__))
    with pytest.raises(AssertionError, match='read anew'):
        kept(tmp_path, cache=folder)


def test_an_image_that_was_left_out_and_is_mended_is_a_reading(tmp_path, videos):
    options = dict(cache=str(tmp_path / 'cache'), bad_records='drop', episodes=dict(SPAN, shots=1))
    whole = records(tmp_path, **{**options, 'cache': False})
    (tmp_path / '0.jpg').rename(tmp_path / 'away.jpg')
    Image.new('RGB', (30, 40)).save(tmp_path / '7.jpg')
    without = records(tmp_path, **options)
    assert [path[-5:] for path in without[1]] == ['1.jpg', '3.jpg', '4.jpg', '6.jpg']
    assert kept(tmp_path, **options) == without
    (tmp_path / 'away.jpg').rename(tmp_path / '0.jpg')
    Image.new('RGB', (40, 30)).save(tmp_path / '7.jpg')
    assert records(tmp_path, **options) == whole


def test_what_was_dropped_is_said_at_every_start(tmp_path, videos, said):
    videos['annotations'][3]['bbox'] = [0, 0, 0, 0]
    write(tmp_path, videos)
    for _ in range(2):
        load(tmp_path, cache=str(tmp_path / 'cache'), bad_records='drop')
        message = said.pop()
        assert 'dropped 1 bad records' in message
        assert 'annotations[3]' in message


def flip(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    'spoil',
    [
        lambda content: b'',
        lambda content: b'\x80\x04K\x01.',
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content + b'more',
        lambda content: content[:-64] + bytes(64),
        lambda content: flip(content, len(content) - 40),
        lambda content: content.replace(b'digest', b'dagger'),
        lambda content: content.replace(b'member_ends', b'number_ends'),
        lambda content: content.replace(b'{\\"', b'[\\"', 1),
    ],
)
def test_a_broken_or_foreign_file_is_ignored_and_replaced(tmp_path, videos, spoil):
    read = records(tmp_path, cache=str(tmp_path / 'cache'))
    (file,) = (tmp_path / 'cache').glob('*.safetensors')
    spoiled = spoil(file.read_bytes())
    assert spoiled != file.read_bytes()
    file.write_bytes(spoiled)
    with pytest.raises(AssertionError, match='read anew'):
        kept(tmp_path, cache=str(tmp_path / 'cache'))
    assert records(tmp_path, cache=str(tmp_path / 'cache')) == read
    assert kept(tmp_path, cache=str(tmp_path / 'cache')) == read


def test_where_nothing_can_be_written_the_file_is_read_at_every_start(tmp_path, videos, said):
    (tmp_path / 'cache').write_text('no folder')
    read = records(tmp_path, cache=str(tmp_path / 'cache'))
    assert read == records(tmp_path, cache=False)
    (message,) = said
    assert 'cannot be written' in message
    assert 'cache=False' in message


def test_a_full_disk_leaves_nothing_behind(tmp_path, videos, said):
    def fill(tensors, path, metadata):
        path.write_bytes(b'half')
        raise OSError('No space left on device')

    with patch.object(cache, 'save_file', fill):
        read = records(tmp_path, cache=str(tmp_path / 'cache'))
    assert read == records(tmp_path, cache=False)
    assert 'No space left' in said[0]
    assert [path.suffix for path in (tmp_path / 'cache').iterdir()] == ['.lock']


def start_together(folder, count, fails=False):
    """``count`` processes start at once; how often the file was read, and what each has."""
    context = multiprocessing.get_context('fork')
    found = context.SimpleQueue()
    read = EpisodeDataset._read

    def slow(dataset):
        with open(folder / 'readers', 'a') as file:
            file.write(f'{os.getpid()}\n')
        time.sleep(0.5)
        if fails and len((folder / 'readers').read_text().split()) == 1:
            os._exit(9)
        return read(dataset)

    def run():
        with patch.object(EpisodeDataset, '_read', slow):
            found.put(records(folder, cache=str(folder / 'cache')))

    processes = [context.Process(target=run) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    results = [found.get() for process in processes if process.exitcode == 0]
    return len((folder / 'readers').read_text().split()), results


def test_of_processes_that_start_together_one_reads(tmp_path, videos):
    readers, results = start_together(tmp_path, 3)
    assert readers == 1
    assert results == [records(tmp_path, cache=False)] * 3
    assert len(list((tmp_path / 'cache').iterdir())) == 2


def test_the_others_go_on_where_that_one_is_killed(tmp_path, videos):
    readers, results = start_together(tmp_path, 3, fails=True)
    assert readers >= 2
    assert results == [records(tmp_path, cache=False)] * 2


def test_headers_are_read_once_and_of_images_that_episodes_use(tmp_path, videos, monkeypatch):
    opened = []
    size = image_files.image_size
    monkeypatch.setattr(image_files, 'image_size', lambda path: opened.append(path) or size(path))
    options = dict(cache=str(tmp_path / 'cache'), episodes=dict(type='RandomEpisodes', per_track=2))
    _, used = records(tmp_path, **options)
    assert sorted(opened) == used
    assert len(used) < 8
    kept(tmp_path, **options)
    assert len(opened) == len(used)


def test_a_video_episode_takes_less_than_a_kilobyte(tmp_path, videos):
    rng = np.random.default_rng(0)
    content = dict(images=[], annotations=[])
    for place in range(400):
        name = f'train/GOT-10k_Train_{place // 5:06d}/{place:08d}.jpg'
        image = dict(id=place, file_name=name, width=40, height=30, video_id=place // 5, frame_id=place)
        content['images'].append(image)
        box = [*rng.uniform(0, 10, 2), *rng.uniform(10, 20, 2)]
        content['annotations'].append(dict(id=place, image_id=place, instance_id=place // 5, bbox=box))
    write(tmp_path, content)
    monkey = patch.object(image_files, 'image_size', lambda path: (40, 30))
    with monkey:
        dataset = load(tmp_path, episodes=dict(SPAN, shots=4))
    size = sum(array.nbytes for array in dataset.data_list.columns.arrays().values())
    assert size / len(dataset) < 1024


def test_subsets_keep_their_episodes(tmp_path, videos):
    dataset = load(tmp_path, episodes=dict(type='RandomEpisodes', per_track=3))
    numbers = [dataset.get_data_info(index)['img_id'] for index in range(6)]
    assert numbers == list(range(6))
    for indices, expected in ((2, [0, 1]), (-2, [4, 5]), ([3, -1], [3, 5])):
        part = dataset.get_subset(indices)
        assert [part.get_data_info(index)['img_id'] for index in range(len(part))] == expected
        assert part.get_data_info(0)['sample_idx'] == 0
        whole = dataset.get_data_info(expected[0])
        assert {**part.get_data_info(0), 'sample_idx': 0} == {**whole, 'sample_idx': 0}
    for indices in (0, 'a', [6], [1.5]):
        with pytest.raises(InputError, match=r'indices=.*a list of places in 0..5'):
            dataset.get_subset(indices)
