"""The preprocessor marks the right tokens."""

from itertools import islice

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
    places = iter(batch.places)
    for index, (sample, images) in enumerate(zip(data['data_samples'], data['inputs'], strict=True)):
        prompt, marks = batch.prompt_ids[index], {name: each[index] for name, each in batch.marks.items()}
        marked = speech.encoder.tokenizer.decode(prompt[marks['box_text']].tolist()).split()
        expected = []
        for support, image in zip(sample.supports, images, strict=False):
            height, width = support.img_shape
            cells = image.shape[:0:-1] if family == 'qwen2_5_vl' else (1000, 1000)
            expected += to_grid(support.gt_instances.bboxes, (width, height), cells)[0].tolist()
        assert ''.join(marked) == ''.join(str(value) for value in expected)

        visual = iter(torch.eq(prompt, speech.encoder.family.image_token_id).nonzero()[:, 0].tolist())
        looking = [
            {token for token in islice(visual, len(each)) if not next(spots).isnan().any()}
            for each in islice(places, len(images))
            if (spots := iter(each))
        ]
        assert next(visual, None) is None
        supports, query = set().union(*looking[:-1]), looking[-1]
        assert set(marks['support_image'].nonzero()[:, 0].tolist()) == supports
        assert set(marks['query_image'].nonzero()[:, 0].tolist()) == query
        assert batch.query_rows[index] == (min(query), max(query) + 1)
        spans = [range(*span) for span in batch.image_spans[index]]
        assert all(tokens <= set(span) for tokens, span in zip(looking, spans, strict=True))
        assert max(spans[-2]) < max(marks['box_end'].nonzero()[:, 0].tolist()) < min(spans[-1])


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
