"""What is read once says the same as what is read with each query."""

import numpy as np
import pytest
import torch

from tests.conftest import FAMILIES, random_frame

SIZES = [(32, 32), (48, 32), (32, 64), (80, 48)]


def episodes(shots, queries, seed):
    """Collated episodes with the same supports and other queries, of unequal sizes."""
    rng = np.random.default_rng(seed)
    supports = [random_frame(rng, SIZES[(seed + index) % 4]) for index in range(shots)]
    asked = [random_frame(rng, SIZES[index % 4]) for index in range(queries)]
    for _, sample in asked:
        sample.supports = [support for _, support in supports]
    inputs = [[*(image for image, _ in supports), image] for image, _ in asked]
    return {'inputs': inputs, 'data_samples': [sample for _, sample in asked]}


def parts(detector, data):
    """The prefix of an episode, and its queries alone."""
    speech = detector.data_preprocessor
    shots = len(data['inputs'][0]) - 1
    seen = speech.encoder.see([images[-1] for images in data['inputs']])
    first = {key: value[:1] for key, value in data.items()}
    behind = speech.encoder.queries(seen, shots)
    prefix = detector.bbox_head.know_supports(speech(first)['inputs'], behind.prompt_ids[0])
    return prefix, speech.queries(seen, data['data_samples'], shots, prefix.length)


def answers(detector, batch, grammar=None, prefix=None):
    written = detector.bbox_head.generate(
        batch, detector.data_preprocessor.encoder, 12, grammar=grammar, prefix=prefix
    )
    return [ids.tolist() for ids in written.ids], torch.cat(written.logps)


@pytest.mark.parametrize('shots', [1, 8])
@pytest.mark.parametrize('family', FAMILIES)
def test_answers_are_those_of_whole_prompts(shared_detector, family, shots):
    detector = shared_detector(family).eval()
    data = episodes(shots, 3, shots)
    prefix, queries = parts(detector, data)
    whole = detector.data_preprocessor(data)['inputs']
    for grammar in (None, detector.data_preprocessor.encoder.grammar()):
        expected, logps = answers(detector, whole, grammar)
        found, same = answers(detector, queries, grammar, prefix)
        assert found == expected
        torch.testing.assert_close(same, logps, rtol=1e-3, atol=1e-4)


def test_a_prefix_is_the_same_after_many_queries(shared_detector):
    detector = shared_detector('qwen3_vl').eval()
    prefix, queries = parts(detector, episodes(2, 4, 0))
    kept = [tensor.clone() for layer in prefix.layers for tensor in layer]
    first, _ = answers(detector, queries, prefix=prefix)
    other, others = parts(detector, episodes(1, 3, 5))
    for start in range(4):
        answers(detector, queries.select(start, 4), prefix=prefix)
        answers(detector, others.select(0, start % 3 + 1), prefix=other)
    assert answers(detector, queries, prefix=prefix)[0] == first
    assert all(map(torch.equal, kept, (tensor for layer in prefix.layers for tensor in layer)))
