"""The preprocessor marks the right tokens."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.core.boxes import to_grid
from focus_mmdet.errors import InputError
from focus_mmdet.models.data_preprocessors.prompt_encoder import tokens_in_box
from tests.conftest import FAMILIES, random_batch


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('seed', range(4))
def test_columns_are_the_coordinates_and_rows_the_query_image(shared_detector, family, seed):
    speech = shared_detector(family).data_preprocessor
    data = random_batch(seed, shots=[1, 4, 2])
    batch = speech(data)['inputs']
    grids = batch.grid_thw.split(batch.frames)
    for index, sample in enumerate(data['data_samples']):
        prompt = batch.prompt_ids[index]
        marked = speech.encoder.tokenizer.decode(prompt[batch.marks['box_text'][index]].tolist()).split()
        expected = []
        for support, grid in zip(sample.supports, grids[index], strict=False):
            height, width = support.img_shape
            seen = (int(grid[2]) * 8, int(grid[1]) * 8)
            cells = seen if family == 'qwen2_5_vl' else (1000, 1000)
            expected += to_grid(support.gt_instances.bboxes, (width, height), cells)[0].tolist()
        assert ''.join(marked) == ''.join(str(value) for value in expected)

        visual = torch.eq(prompt, speech.encoder.family.image_token_id).nonzero()[:, 0]
        start, stop = batch.query_rows[index]
        tokens = int(grids[index][-1].prod()) // 4
        assert list(range(start, stop)) == visual[-tokens:].tolist()
        assert len(visual) == int(grids[index].prod(-1).sum()) // 4


def test_the_answer_is_the_true_box_and_ends_with_the_stop_token(shared_detector):
    speech = shared_detector().data_preprocessor
    data = random_batch(0, shots=[1])
    batch = speech(data)['inputs']
    sample = data['data_samples'][0]
    height, width = sample.img_shape
    box = to_grid(sample.gt_instances.bboxes, (width, height), (1000, 1000))[0].tolist()
    assert batch.answer_ids[0][-1] == speech.encoder.stop_id
    assert speech.encoder.decode(batch.answer_ids[0]) == f'<answer>[{", ".join(map(str, box))}]</answer>'
    assert torch.allclose(batch.targets[0], torch.tensor(box).float(), atol=0.5)


def test_a_prompt_over_the_limit_is_an_error_not_a_cut(shared_detector):
    speech = shared_detector().data_preprocessor
    speech.max_tokens = 60
    with pytest.raises(InputError, match='over max_tokens=60'):
        speech(random_batch(0, shots=[2]))
    speech.max_tokens = 32768


def test_frames_mixed_by_another_collate_are_noticed(shared_detector):
    data = random_batch(0, shots=[2])
    data['inputs'] = [[image] for image in data['inputs'][0]]
    with pytest.raises(InputError, match='collate_episodes'):
        shared_detector().data_preprocessor(data)


@given(st.data())
def test_tokens_in_a_box_are_those_whose_centre_it_holds(data):
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    width, height = data.draw(st.integers(20, 500)), data.draw(st.integers(20, 500))
    x1, x2 = sorted(data.draw(st.lists(st.integers(0, 4 * width), min_size=2, max_size=2, unique=True)))
    y1, y2 = sorted(data.draw(st.lists(st.integers(0, 4 * height), min_size=2, max_size=2, unique=True)))
    box = [x1 / 4, y1 / 4, x2 / 4, y2 / 4]
    inside = tokens_in_box(torch.tensor(box), (width, height), (rows, columns)).view(rows, columns)
    expected = {
        (row, column)
        for row in range(rows)
        for column in range(columns)
        if box[0] <= (column + 0.5) * width / columns <= box[2]
        and box[1] <= (row + 0.5) * height / rows <= box[3]
    }
    found = {tuple(cell) for cell in inside.nonzero().tolist()}
    assert found == expected or (not expected and len(found) == 1)


@pytest.mark.parametrize('family', FAMILIES)
def test_box_ends_have_read_the_box_and_openings_come_before_it(shared_detector, family):
    speech = shared_detector(family).data_preprocessor
    data = random_batch(1, shots=[2, 1])
    batch = speech(data)['inputs']
    decode = speech.encoder.tokenizer.decode
    for index in range(len(batch)):
        prompt, answer, opening = batch.prompt_ids[index], batch.answer_ids[index], batch.openings[index]
        assert decode(answer[:opening]) == '<answer>['
        assert decode(answer[opening]).isdigit()
        text = batch.marks['box_text'][index]
        for (start, stop), region in zip(batch.box_ends[index], batch.regions[index], strict=True):
            assert text[start]
            assert not text[start + 1 : stop].any()
            assert decode(prompt[start + 1 : stop]) == '].'
            assert int(region.nonzero().max()) < start
        whole = torch.stack(batch.regions[index]).any(0)
        assert torch.equal(whole, batch.marks['box_region'][index])
        region = batch.marks['query_region'][index].nonzero()
        assert (
            batch.query_rows[index][0] <= int(region.min()) <= int(region.max()) < batch.query_rows[index][1]
        )
