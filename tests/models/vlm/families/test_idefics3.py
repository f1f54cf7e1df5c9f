"""Idefics3 and SmolVLM see as many tiles as their processor says, whatever is in them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from focus_mmdet.errors import InputError
from focus_mmdet.models import FocusDetector
from focus_mmdet.models.vlm.processor import load_processor
from focus_mmdet.models.vlm.vlm import load_family
from tests.conftest import plain_inputs, random_batch, random_frame
from tests.models.vlm.families.references import LAYOUTS


@pytest.fixture
def folder(vlm_folder, tmp_path):
    """A SmolVLM with other keys in its ``preprocessor_config.json``."""

    def make(**keys):
        path = Path(shutil.copytree(vlm_folder('smolvlm'), tmp_path / 'model'))
        file = path / 'preprocessor_config.json'
        file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))
        return str(path)

    return make


@pytest.mark.parametrize(
    ('keys', 'tiles'),
    [
        (dict(), 3),
        (dict(do_image_splitting=False), 1),
        (dict(size=dict(longest_edge=34)), 1),
        (dict(size=dict(longest_edge=100)), 7),
        (dict(do_resize=False), 7),
    ],
    ids=str,
)
def test_one_key_says_how_many_tiles_an_image_costs(folder, keys, tiles):
    path = folder(**keys)
    family = load_family(path)
    processor = load_processor(path, family).image_processor
    image = random_frame(np.random.default_rng(0), (80, 40))[0].permute(1, 2, 0).numpy()
    (seen,) = family.see([image], processor)
    assert len(seen.places) == 4 * tiles
    assert seen.text == LAYOUTS['smolvlm'].text(family, processor, image)
    left = image.copy()
    left[:, 44:] = 0
    changed = LAYOUTS['smolvlm'].changed(family, *family.see([image, left], processor))
    assert changed.tolist() == (seen.places[:, 2] > 0.55).tolist()


@pytest.mark.parametrize('kind', ['smolvlm', 'idefics3'])
def test_markers_may_be_tokens_or_spelled_out(shared_detector, kind):
    detector = shared_detector(kind).eval()
    encoder, head = detector.data_preprocessor.encoder, detector.bbox_head
    assert (encoder.tokenizer.convert_tokens_to_ids('<row_1_col_1>') is None) is (kind == 'idefics3')
    data = random_batch(0, [3])
    batch = detector.data_preprocessor(data)['inputs']
    for (start, stop), image in zip(batch.image_spans[0], encoder.see(data['inputs'][0]), strict=True):
        assert encoder.tokenizer.decode(batch.prompt_ids[0][start:stop].tolist()) == image.text
    with torch.no_grad():
        plain = head.vlm.model(**plain_inputs(detector, batch, batch.prompt_ids[0][None])).logits[:, -1]
        torch.testing.assert_close(head.first_logits(batch, detector.pad_id), plain, rtol=1e-4, atol=1e-5)


def test_black_tiles_are_no_padding(folder):
    """Where a processor leaves black at 0.0, transformers would leave out whole tiles."""
    detector = FocusDetector(folder(image_mean=[0.0] * 3), bbox_head=dict(type='VLMHead'))
    data = random_batch(0, [1], [(80, 40)])
    data['inputs'][0][0][:, :, :44] = 0
    batch = detector.data_preprocessor(data)['inputs']
    assert batch.vision[0]['pixel_values'].flatten(2).eq(0).all(-1).tolist() == [[True, False, False]]
    features = detector.bbox_head.vlm.image_features(batch)
    assert [len(part) for part in features] == [len(places) for places in batch.places]


@pytest.mark.parametrize('max_image_size', [dict(longest_edge=32), None], ids=str)
def test_processors_of_other_models_are_named(folder, max_image_size):
    path = folder(max_image_size=max_image_size)
    if max_image_size is None:
        CLIPImageProcessorPil().save_pretrained(path)
    with pytest.raises(InputError, match=r'preprocessor_config\.json: max_image_size=.* is 34'):
        load_processor(path, load_family(path))
