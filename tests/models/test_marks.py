"""The preprocessor marks the right tokens."""

import pytest
import torch

from focus_mmdet.core.boxes import to_grid
from focus_mmdet.errors import InputError
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
        marked = speech.tokenizer.decode(prompt[batch.box_columns[index]].tolist()).split()
        expected = []
        for support in sample.supports:
            height, width = support.img_shape
            expected += to_grid(support.gt_instances.bboxes, (width, height), (1000, 1000))[0].tolist()
        assert ''.join(marked) == ''.join(str(value) for value in expected)

        visual = torch.eq(prompt, speech.family.image_token_id).nonzero()[:, 0]
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
    assert batch.answer_ids[0][-1] == speech.stop_id
    assert speech.decode(batch.answer_ids[0]) == f'<answer>[{", ".join(map(str, box))}]</answer>'
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
