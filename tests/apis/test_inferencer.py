import numpy as np
import pytest
import torch
from mmengine.config import Config
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
        ([('PHOTO', (10, 10, 5, 40))], ['PHOTO'], r'photo\.png: box .* is reversed'),
        ([('PHOTO', (10, 10, 95, 40))], ['PHOTO'], 'outside the 90 x 60'),
        ([('PHOTO', (10, 10, 40))], ['PHOTO'], 'x1, y1, x2, y2'),
        ([('PHOTO', (10, 10, 40, float('nan')))], ['PHOTO'], 'holds what is no number'),
        ([('PHOTO', (0.25, 0.25, 0.625, 0.75))], ['PHOTO'], r'photo\.png: .* fractions .* give .* pixels'),
        ([('PHOTO', (0, 0, 1, 1))], ['PHOTO'], 'fractions of the image'),
        ([('PHOTO', (10, 10, 40, 10.5))], ['PHOTO'], 'less than a pixel'),
        ([('a' * 300 + '.png', (1, 1, 5, 5))], ['PHOTO'], 'no such image'),
        ([('gone.png', (1, 1, 5, 5))], ['PHOTO'], r'gone\.png: no such image'),
        ([('PHOTO', (1, 1, 5, 5))], ['gone.png'], r'gone\.png: no such image'),
        ([('PHOTO', (1, 1, 5, 5))], [np.zeros((4, 4))], 'query 0: an array must be'),
    ],
)
def test_bad_input_is_named(inferencer, photo, supports, queries, message):
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
