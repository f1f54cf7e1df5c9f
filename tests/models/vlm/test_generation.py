import pytest
import torch

from focus_mmdet.errors import InputError
from focus_mmdet.models.episode_batch import pad
from focus_mmdet.models.vlm.generation import Sampling, _pick, sampling_noise
from tests.conftest import FAMILIES, plain_inputs, random_batch


def options(detector, **more):
    return {'speech': detector.data_preprocessor.encoder, 'max_new_tokens': 8, **more}


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('seed', range(3))
def test_greedy_equals_transformers_generate(shared_detector, family, seed):
    detector = shared_detector(family).eval()
    speech, vlm = detector.data_preprocessor.encoder, detector.bbox_head.vlm
    batch = detector.data_preprocessor(random_batch(seed, [1, 3]))['inputs']
    ours = detector.bbox_head.generate(batch, **options(detector))
    ids, mask = pad(batch.prompt_ids, detector.pad_id, 'left')
    theirs = vlm.model.generate(
        **plain_inputs(detector, batch, ids, mask),
        do_sample=False,
        max_new_tokens=8,
        suppress_tokens=speech.forbidden_ids,
        eos_token_id=speech.stop_id,
        pad_token_id=detector.pad_id,
    )[:, ids.shape[1] :]
    for row, expected in zip(ours.ids, theirs, strict=True):
        assert row.tolist() == expected[: len(row)].tolist()
        assert len(row) == 8 or row[-1] == speech.stop_id


@pytest.mark.parametrize('family', FAMILIES)
def test_a_group_equals_its_answers_sampled_one_by_one(shared_detector, family):
    detector = shared_detector(family).eval()
    seeds = [3, 14, 15, 92, 65, 35]
    noise = sampling_noise(seeds, 8)
    data = random_batch(7, [1, 2])
    batch = detector.data_preprocessor(data)['inputs']
    group = detector.bbox_head.generate(batch, **options(detector, num_generations=3, noise=noise))
    for index in range(6):
        episode = {key: [value[index // 3]] for key, value in data.items()}
        alone = detector.data_preprocessor(episode)['inputs']
        one = detector.bbox_head.generate(alone, **options(detector, noise=noise[index : index + 1]))
        assert one.ids[0].tolist() == group.ids[index].tolist()
        torch.testing.assert_close(one.logps[0], group.logps[index], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('with_grammar', [False, True])
def test_the_most_probable_answer_beside_drawn_ones_is_the_one_alone(shared_detector, with_grammar):
    """Its probabilities are the model's own, those of drawn ones of what was drawn from."""
    detector = shared_detector('qwen3_vl').eval()
    speech, grammar = detector.data_preprocessor.encoder, None
    if with_grammar:
        grammar = speech.grammar().to('cpu')
    steps = 8 if grammar is None else grammar.steps
    noise = sampling_noise(range(4), steps)
    noise[[0, 2]] = torch.nan
    batch = detector.data_preprocessor(random_batch(7, [1, 2]))['inputs']
    more = options(detector, grammar=grammar)
    both = detector.bbox_head.generate(batch, **more, num_generations=2, noise=noise)
    for kind, rows in ((None, [0, 2]), (noise[[1, 3]], [1, 3])):
        alone = detector.bbox_head.generate(batch, **more, noise=kind)
        for index, row in enumerate(rows):
            assert both.ids[row].tolist() == alone.ids[index].tolist()
            torch.testing.assert_close(both.logps[row], alone.logps[index], rtol=1e-4, atol=1e-5)


def test_structural_ids_are_never_sampled(make_detector):
    detector = make_detector().eval()
    speech = detector.data_preprocessor.encoder
    with torch.no_grad():
        # Even a policy that wants nothing but image tokens can't write one.
        bias = torch.full((512,), -20.0)
        bias[speech.family.image_token_id] = 20.0
        detector.bbox_head.vlm.model.get_output_embeddings().bias = torch.nn.Parameter(bias)
    batch = detector.data_preprocessor(random_batch(1, [1]))['inputs']
    noise = sampling_noise(range(16), 8)
    answers = detector.bbox_head.generate(batch, **options(detector, num_generations=16, noise=noise))
    written = {int(token) for row in answers.ids for token in row}
    assert written.isdisjoint(speech.forbidden_ids)
    assert {speech.family.image_token_id, detector.pad_id} <= set(speech.forbidden_ids)
    assert speech.stop_id not in speech.forbidden_ids


def test_sampling_follows_the_distribution(shared_detector):
    logits = torch.tensor([[0.0, 1.0, float('-inf'), 2.0]]).repeat(20_000, 1)
    noise = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    chosen, logps = _pick(logits, Sampling(temperature=0.5), noise)
    expected = (logits[0] / 0.5).softmax(-1)
    frequency = torch.bincount(chosen, minlength=4) / 20_000
    assert (frequency - expected).abs().max() < 0.01
    torch.testing.assert_close(logps.exp(), expected[chosen])


@pytest.mark.parametrize(
    ('sampling', 'kept'),
    [
        (Sampling(top_k=2), [1, 3]),
        (Sampling(top_k=9), [0, 1, 2, 3]),
        (Sampling(top_p=0.6), [3]),
        (Sampling(top_p=0.7), [1, 3]),
        (Sampling(temperature=2.0, top_p=0.75), [1, 2, 3]),
        (Sampling(temperature=2.0, top_k=3, top_p=0.99), [1, 2, 3]),
    ],
)
def test_top_k_and_top_p_keep_the_likeliest_tokens_and_their_proportions(sampling, kept):
    logits = torch.tensor([[-1.0, 1.0, 0.0, 2.0]]).repeat(4000, 1)
    noise = torch.rand(4000, generator=torch.Generator().manual_seed(0))
    chosen, logps = _pick(logits, sampling, noise)
    assert chosen.unique().tolist() == kept
    expected = (logits[0, kept] / sampling.temperature).softmax(-1)
    torch.testing.assert_close(logps.exp(), expected[torch.searchsorted(torch.tensor(kept), chosen)])


def test_a_prompt_beyond_the_window_is_refused_not_cut(make_detector):
    detector = make_detector().eval()
    batch = detector.data_preprocessor(random_batch(0, [1]))['inputs']
    detector.bbox_head.vlm.model.config.text_config.max_position_embeddings = len(batch.prompt_ids[0]) + 7
    with pytest.raises(InputError, match=r'max_pixels.*shots'):
        detector.bbox_head.generate(batch, **options(detector))


@pytest.mark.parametrize('family', FAMILIES)
def test_recorded_attention_is_that_of_each_prompt_alone(shared_detector, family):
    """Prompts of different length are padded on the left; the maps must not move."""
    detector = shared_detector(family).eval()
    data = random_batch(11, [1, 3])
    batch = detector.data_preprocessor(data)['inputs']
    together = detector.bbox_head.generate(batch, **options(detector, record_attention=True)).attention
    for index in range(2):
        episode = {key: [value[index]] for key, value in data.items()}
        alone = detector.data_preprocessor(episode)['inputs']
        (expected,) = detector.bbox_head.generate(alone, **options(detector, record_attention=True)).attention
        assert len(together[index]) == len(alone.prompt_ids[0])
        torch.testing.assert_close(together[index], expected, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(expected.sum(), torch.tensor(1.0))
