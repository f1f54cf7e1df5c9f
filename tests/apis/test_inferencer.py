import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from PIL import Image

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.errors import InputError
from tests.conftest import ROOT


@pytest.fixture(scope='module')
def config(vlm_folder):
    config = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage2.py'))
    config.model.pretrained = vlm_folder()
    return config


@pytest.fixture(scope='module')
def inferencer(config):
    return InContextInferencer(config, device='cpu')


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / 'photo.png'
    pixels = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path), pixels


def test_paths_and_arrays_give_the_same_answer(inferencer, photo):
    path, pixels = photo
    box = (10, 10, 50, 40)
    by_path = inferencer([path], [(path, box)], picture=True)[0]
    by_array = inferencer([pixels], [(pixels, box)], picture=True)[0]
    assert by_path.answer == by_array.answer
    assert by_path.score == by_array.score
    assert by_path.picture.shape == by_array.picture.shape
    assert by_path.picture.dtype == np.uint8


def test_none_is_the_pretrained_model_by_word_as_well(config, inferencer, photo):
    named = InContextInferencer(config, 'none', device='cpu')
    shown = [(photo[0], (10, 10, 50, 40))]
    assert named([photo[0]], shown)[0].answer == inferencer([photo[0]], shown)[0].answer
    assert named.remember(shown).model == inferencer.remember(shown).model


def test_boxes_come_back_in_pixels_of_each_query(inferencer, photo, monkeypatch):
    path, _ = photo
    speech = type(inferencer.model.data_preprocessor.encoder)
    monkeypatch.setattr(speech, 'decode', lambda *_: '<answer>[0, 0, 500, 1000]</answer>')
    large = np.zeros((200, 400, 3), np.uint8)
    found = inferencer([path, large], [(path, (10, 10, 50, 40))])
    assert found[0].box == (0, 0, 45, 60)
    assert found[1].box == (0, 0, 200, 200)
    assert 0 < found[0].score <= 1


def test_boxes_do_not_leave_the_image(inferencer, photo, monkeypatch):
    path, _ = photo
    answers = iter(['[500, 0, 1200, 3000]', '[1000, 0, 1200, 500]'])
    speech = type(inferencer.model.data_preprocessor.encoder)
    monkeypatch.setattr(speech, 'decode', lambda *_: f'<answer>{next(answers)}</answer>')
    found = inferencer([path, path], [(path, (10, 10, 50, 40))])
    assert [each.box for each in found] == [(45, 0, 90, 60), None]


def test_the_answer_depends_on_the_support(inferencer, photo, monkeypatch):
    path, pixels = photo
    speech = type(inferencer.model.data_preprocessor.encoder)
    monkeypatch.setattr(speech, 'decode', lambda *_: '<answer>[0, 0, 500, 1000]</answer>')
    other = np.flip(pixels, 0).copy()
    first = inferencer([path], [(path, (1, 1, 30, 30))])[0]
    second = inferencer([path], [(other, (40, 20, 90, 60))])[0]
    assert first.score != second.score


@pytest.mark.parametrize(
    ('supports', 'queries', 'message'),
    [
        ([], ['PHOTO'], 'at least one pair'),
        ('cup.focus', ['PHOTO'], r"recall the file first: find\.recall\('cup\.focus'\)"),
        (['cup.focus'], ['PHOTO'], r"recall the file first: find\.recall\('cup\.focus'\)"),
        ([('PHOTO', (1, 1, 5, 5))], [np.zeros((7, 9, 3), np.uint8)], 'query 0: too small: 9 x 7 pixels'),
        ([('PHOTO', (1, 1, 5, 5))], ['*.tif'], r'\*\.tif: no such image; the pattern matches nothing'),
        ([('PHOTO', (10, 10, 5, 40))], ['PHOTO'], r'photo\.png: box .* is reversed'),
        ([('PHOTO', (10, 10, 95, 40))], ['PHOTO'], 'over the edge, partly outside the 90 x 60'),
        ([('PHOTO', (90, 10, 95, 40))], ['PHOTO'], 'lies outside the 90 x 60'),
        ([('PHOTO', (10, 10, 10, 40))], ['PHOTO'], 'is empty'),
        ([('PHOTO', (10, 10, 40))], ['PHOTO'], 'x1, y1, x2, y2'),
        ([('PHOTO', (10, 10, 40, float('nan')))], ['PHOTO'], 'holds what is no number'),
        ([('PHOTO', (0.25, 0.25, 0.625, 0.75))], ['PHOTO'], r'photo\.png: .* fractions .* give .* pixels'),
        ([('PHOTO', (0, 0, 1, 1))], ['PHOTO'], 'fractions of the image'),
        ([('PHOTO', (10, 10, 40, 10.5))], ['PHOTO'], 'less than a pixel'),
        ([('a' * 300 + '.png', (1, 1, 5, 5))], ['PHOTO'], 'no such image'),
        ([('gone.png', (1, 1, 5, 5))], ['PHOTO'], r'gone\.png: no such image'),
        ([('.', (1, 1, 5, 5))], ['PHOTO'], r'\.: a folder; a support is one picture in it'),
        ([('PHOTO', (10**400, 1, 5, 5))], ['PHOTO'], 'a box is four numbers'),
        ([('PHOTO', (1, 1, 5, 5))], ['gone.png'], r'gone\.png: no such image'),
        ([('PHOTO', (1, 1, 5, 5))], [np.zeros((4, 4))], 'query 0: an array must be'),
    ],
)
def test_bad_input_is_named(inferencer, photo, supports, queries, message):
    if all(isinstance(each, tuple) for each in supports):
        supports = [(photo[0] if image == 'PHOTO' else image, box) for image, box in supports]
    queries = [photo[0] if isinstance(query, str) and query == 'PHOTO' else query for query in queries]
    with pytest.raises(InputError, match=message):
        inferencer(queries, supports)


def test_a_file_that_is_no_image_is_named(inferencer, photo, tmp_path):
    text = tmp_path / 'notes.txt'
    text.write_text('hello')
    with pytest.raises(InputError, match=r'notes\.txt: cannot be read as an image'):
        inferencer(str(text), [(photo[0], (1, 1, 5, 5))])


def test_answers_are_drawn_at_a_temperature_and_greedy_at_0(inferencer, photo, monkeypatch):
    path, _ = photo

    def answers():
        torch.manual_seed(0)
        return [inferencer([path], [(path, (10, 10, 50, 40))])[0].answer for _ in range(3)]

    assert len(set(answers())) == 1
    monkeypatch.setattr(inferencer.model.bbox_head, 'temperature', 1.0)
    drawn = answers()
    assert len(set(drawn)) == 3  # Random weights write nearly anything.
    assert answers() == drawn


def test_a_config_without_an_inference_pipeline_is_named(config):
    bare = Config({key: value for key, value in config.to_dict().items() if key != 'inference_pipeline'})
    with pytest.raises(InputError, match='inference_pipeline'):
        InContextInferencer(bare, device='cpu')


@pytest.fixture
def cup(inferencer, photo):
    return inferencer.remember([(photo[0], (10, 10, 50, 40))], name='my cup')


def photos(folder, count):
    """PNGs of unequal sizes."""
    folder = folder / 'photos'
    folder.mkdir()
    rng = np.random.default_rng(1)
    for index in range(count):
        pixels = rng.integers(0, 255, (30 + 20 * index, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f'{index}.png')
    return folder


def said(found):
    return [(each.query, each.reference, each.answer, each.box) for each in found]


def test_batches_streams_and_pictures_change_no_answer(inferencer, cup, tmp_path):
    folder = photos(tmp_path, 5)
    one_by_one = inferencer(folder, cup)
    assert [each.size for each in one_by_one] == [(60, 30 + 20 * index) for index in range(5)]
    assert all(each.picture is None for each in one_by_one)
    assert said(inferencer(folder, cup, batch_size=3)) == said(one_by_one)
    assert said(inferencer.stream(folder, cup, batch_size=2)) == said(one_by_one)
    drawn = inferencer(folder, cup, picture=True)
    assert said(drawn) == said(one_by_one)
    assert all(each.picture.dtype == np.uint8 for each in drawn)
    for each, other in zip(one_by_one, drawn, strict=True):
        assert each.score == pytest.approx(other.score, rel=1e-3)


def test_several_references_are_looked_for_in_one_call(inferencer, cup, photo, tmp_path):
    folder = photos(tmp_path, 3)
    other = inferencer.remember([(photo[1], (40, 20, 90, 60)), (photo[0], (1, 1, 9, 9))])
    together = said(inferencer(folder, [cup, other], batch_size=2))
    assert together[0::2] == said(inferencer(folder, cup))
    assert together[1::2] == said(inferencer(folder, other))
    assert [reference for _, reference, *_ in together] == ['my cup', 'object'] * 3


def test_a_model_saw_the_supports_once(inferencer, cup, tmp_path, monkeypatch):
    family, seen = inferencer.model.bbox_head.vlm.family, []
    compute = type(family).image_features
    monkeypatch.setattr(type(family), 'image_features', lambda *a: seen.append(len(a[2])) or compute(*a))
    mug = replace(cup, name='mug')
    inferencer(photos(tmp_path, 4), [cup, mug], batch_size=4)
    # The support of each, with an image in the query's place; the queries, for both references.
    assert seen == [2, 2, 4]


def test_objects_of_one_name_are_not_told_apart_and_refused(inferencer, cup, tmp_path):
    other = inferencer.remember([(np.zeros((9, 9, 3), np.uint8), (1, 1, 8, 8))], cup.name)
    with pytest.raises(InputError, match="several objects are called 'my cup': name them"):
        inferencer.stream(photos(tmp_path, 1), [cup, other])


def test_what_cannot_be_read_is_left_out_and_listed(inferencer, cup, tmp_path, photo):
    folder = photos(tmp_path, 2)
    (folder / '1.png').write_bytes(b'')
    Image.new('RGB', (5000, 1)).save(folder / 'thin.png')
    queries = [
        folder / '0.png',
        folder / '1.png',
        folder / 'thin.png',
        'gone.jpg',
        np.zeros((4, 4)),
        photo[1],
    ]
    found = inferencer(queries, cup, batch_size=3)
    assert [each.query for each in found] == [str(folder / '0.png'), 'query 5']
    names = [name for name, _ in inferencer.unread]
    assert names == [str(folder / '1.png'), str(folder / 'thin.png'), 'gone.jpg', 'query 4']
    assert [reason.split(':')[0] for _, reason in inferencer.unread] == names


def test_a_query_that_is_too_long_does_not_take_its_batch_along(inferencer, cup, tmp_path, monkeypatch):
    folder = photos(tmp_path, 4)
    speech = inferencer.model.data_preprocessor
    expected = said(inferencer(folder, cup))
    lengths = [
        len(
            speech.encoder.queries(
                [inferencer.answerer.prepare(np.asarray(Image.open(folder / f'{index}.png'))).seen], 1
            ).prompt_ids[0]
        )
        for index in range(4)
    ]
    known = inferencer.answerer.know(cup).kept.length
    monkeypatch.setattr(speech, 'max_tokens', known + sorted(lengths)[-1] - 1)
    found = said(inferencer(folder, cup, batch_size=4))
    assert found == [each for each, length in zip(expected, lengths, strict=True) if length < max(lengths)]
    assert 'max_tokens' in inferencer.unread[0][1]


def test_ctrl_c_keeps_what_was_found(inferencer, cup, tmp_path):
    folder = photos(tmp_path, 3)

    def until_interrupted():
        yield from [folder / '0.png', folder / '1.png', folder / '2.png']
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inferencer(until_interrupted(), cup, out_dir=tmp_path / 'out', no_save_vis=True)
    assert [each.query for each in inferencer.found] == [str(folder / '0.png')]
    assert [file.name for file in (tmp_path / 'out/preds').iterdir()] == ['000000_0.json']


def test_files_are_those_of_det_inferencer(inferencer, cup, tmp_path):
    folder = photos(tmp_path, 2)
    found = inferencer(folder, cup, out_dir=tmp_path / 'out')
    written = json.loads((tmp_path / 'out/preds/000001_1.json').read_text())
    assert written['query'] == str(folder / '1.png')
    assert written['bboxes'] == ([list(found[1].box)] if found[1].box else [])
    assert len(written['labels']) == len(written['scores']) == len(written['bboxes'])
    assert Image.open(tmp_path / 'out/vis/000001_1.png').size[::-1] == found[1].picture.shape[:2]


def test_a_threshold_and_datasamples(inferencer, cup, photo, monkeypatch):
    speech = type(inferencer.model.data_preprocessor.encoder)
    monkeypatch.setattr(speech, 'decode', lambda *_: '<answer>[0, 0, 500, 1000]</answer>')
    (found,) = inferencer(photo[0], cup)
    (none,) = inferencer(photo[0], cup, pred_score_thr=min(1.0, found.score * 1.01))
    assert (none.box, none.score, none.answer) == (None, found.score, found.answer)
    (sample,) = inferencer(photo[0], cup, return_datasamples=True)
    assert tuple(sample.pred_instances.bboxes[0].tolist()) == found.box


def test_a_reference_of_another_model_is_taken_with_a_warning(inferencer, config, cup, tmp_path, monkeypatch):
    warned = []
    monkeypatch.setattr('focus_mmdet.apis.inferencer.print_log', lambda message, *_: warned.append(message))
    cup.save(tmp_path / 'cup.focus')
    inferencer.recall(tmp_path / 'cup.focus')
    assert not warned
    other = Config(config.to_dict())
    other.inference_pipeline[0].transforms[-1].max_pixels = 1024
    find = InContextInferencer(other, device='cpu')
    recalled = find.recall(tmp_path / 'cup.focus')
    assert 'another model' in warned[0]
    assert len(find(cup.images[0], recalled)) == 1


def test_parts_of_a_query_are_answered_in_pixels_of_the_whole(inferencer, cup, monkeypatch):
    speech = type(inferencer.model.data_preprocessor.encoder)
    monkeypatch.setattr(speech, 'decode', lambda *_: '<answer>[250, 250, 750, 750]</answer>')
    pixels = np.random.default_rng(2).integers(0, 255, (100, 180, 3), dtype=np.uint8)
    lefts, tops = (0, 38, 77, 116), (0, 36)
    boxes = [(45, 25, 135, 75)]
    boxes += [(left + 16, top + 16, left + 48, top + 48) for left in lefts for top in tops]
    (found,) = inferencer(pixels, cup, tiles=64, batch_size=3)
    assert found.box in boxes
    (drawn,) = inferencer(pixels, cup, tiles=64, picture=True)
    assert (drawn.box, drawn.size, drawn.picture.dtype) == (found.box, (180, 100), np.uint8)
    (sample,) = inferencer(pixels, cup, zoom=True, return_datasamples=True)
    assert sample.ori_shape == (100, 180)
    # A square about the middle, cut to the height; its middle.
    assert sample.pred_instances.bboxes[0].tolist() == [45, 25, 135, 75]


class Changed(InContextInferencer):
    """Does every step otherwise."""

    def preprocess(self, inputs, *args, **options):
        return super().preprocess(islice(inputs, 1, None), *args, **options)

    def forward(self, *args, **options):
        return super().forward(*args, **options)[::-1]

    def visualize(self, inputs, preds):
        return [np.full((1, 2, 3), len(inputs.queries), np.uint8) for _ in preds]

    def postprocess(self, *args, **options):
        return [replace(located, answer='mine') for located in super().postprocess(*args, **options)]


def test_a_subclass_of_mmengines_inferencer_changes_its_steps(config, photo):
    find = Changed(config, device='cpu')
    assert isinstance(find, BaseInferencer)
    known = [find.remember([(photo[0], (10, 10, 50, 40))], name) for name in ('cup', 'hat')]
    queries = ['gone.png', photo[0], photo[1]]
    for found in (find(queries, known, batch_size=2), list(find.stream(queries, known, batch_size=2))):
        assert not find.unread
        assert [(each.query, each.reference) for each in found] == [
            ('query 1', 'hat'),
            ('query 1', 'cup'),
            (photo[0], 'hat'),
            (photo[0], 'cup'),
        ]
        assert all((each.answer, each.picture.tolist()) == ('mine', [[[2] * 3] * 2]) for each in found)


def test_threads_that_share_it_get_their_own_answers(inferencer, cup, tmp_path):
    folder = photos(tmp_path, 8)
    paths = [str(folder / f'{number}.png') for number in range(8)] * 3
    expected = {path: inferencer(path, cup)[0].box for path in paths[:8]}
    again = InContextInferencer(inferencer.cfg, device='cpu')
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda path: again(path, cup), paths))
    assert [[each.query for each in answers] for answers in found] == [[path] for path in paths]
    assert [answers[0].box for answers in found] == [expected[path] for path in paths]


def test_what_was_remembered_stays_when_its_array_changes(inferencer, photo):
    _, pixels = photo
    buffer = pixels.copy()
    known = inferencer.remember([(buffer, (10, 10, 50, 40))])
    buffer[:] = 0
    assert np.array_equal(known.images[0], pixels)


def test_it_is_silent_unless_asked_and_tells_of_one_call_at_a_time(inferencer, cup, photo, monkeypatch):
    monkeypatch.setattr('focus_mmdet.apis.inferencer.Progress', lambda *_: pytest.fail('told'))
    assert len(inferencer([photo[0], 'gone.png'], cup, not_this=None)) == 1
    assert inferencer.unread
    with pytest.raises(InputError):
        inferencer(photo[0], cup, batch_size=0)
    assert not inferencer.unread


def test_samples_say_what_they_are_about(inferencer, cup, photo):
    hat = inferencer.remember([(photo[0], (5, 5, 30, 30))], 'hat')
    samples = inferencer(photo[0], [cup, hat], return_datasamples=True)
    assert [sample.reference for sample in samples] == ['my cup', 'hat']
