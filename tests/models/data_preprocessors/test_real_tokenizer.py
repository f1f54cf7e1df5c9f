"""The marks on the tokens that a real Qwen2-VL, Qwen3-VL, LLaVA-OneVision or InternVL3 would see."""

import lzma

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from transformers import (
    InternVLConfig,
    LlavaOnevisionConfig,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen3VLConfig,
)

from focus_mmdet.core.places import grid_places
from focus_mmdet.models.data_preprocessors.prompt_encoder import PromptEncoder
from focus_mmdet.models.sizing.tiny_families import TINY
from focus_mmdet.models.vlm.families import InternVL, LLaVAOneVision, Qwen2VL, Qwen3VL, SeenImage
from focus_mmdet.models.vlm.processor import processor_class
from tests.conftest import ROOT

#: What the published templates make of a user turn with images: text and
#: images in order. Those of Qwen2-VL and Qwen2.5-VL put a system turn before it.
USER_TURN = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SYSTEM_TURN = "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"
FAMILIES = {
    'qwen2_vl': (Qwen2VL, Qwen2VLConfig, SYSTEM_TURN + USER_TURN),
    'qwen3_vl': (Qwen3VL, Qwen3VLConfig, USER_TURN),
    # Theirs are Qwen2's with further special tokens.
    'llava_onevision': (LLaVAOneVision, LlavaOnevisionConfig, LLaVAOneVision.chat_template),
    'internvl': (InternVL, InternVLConfig, TINY['internvl'].chat_template),
}


@pytest.fixture(scope='module', params=FAMILIES)
def encoder(request, tmp_path_factory):
    family, config, template = FAMILIES[request.param]
    file = tmp_path_factory.mktemp('tokenizer') / 'tokenizer.json'
    packed = ROOT / 'tests/data/qwen2_tokenizer/tokenizer.json.xz'
    file.write_bytes(lzma.decompress(packed.read_bytes()))
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(file))
    tokenizer.add_special_tokens({'additional_special_tokens': ['<img>', '</img>', family.image_token]})
    family = family(config(image_token_id=tokenizer.convert_tokens_to_ids(family.image_token)))
    processor = processor_class(family)(family.image_processor(), tokenizer, chat_template=template)
    return PromptEncoder(family, processor)


def seen(encoder, shapes):
    """Images of so many rows and columns of visual tokens."""
    token = encoder.family.image_token
    return [SeenImage({}, f'<img>{token * (h * w)}</img>', grid_places(h, w)) for h, w in shapes]


def sample_of(boxes):
    """Supports whose boxes are exactly these thousandths of a 1000 x 1000 image."""
    sample = DetDataSample()
    sample.supports = []
    for box in boxes:
        support = DetDataSample(metainfo={'img_shape': (1000, 1000)})
        support.gt_instances = InstanceData(bboxes=torch.tensor([box], dtype=torch.float32))
        sample.supports.append(support)
    return sample


coordinate = st.one_of(st.integers(0, 9), st.integers(10, 99), st.integers(100, 999), st.just(1000))


@given(
    st.lists(st.tuples(*[coordinate] * 4), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=9, max_size=9),
)
def test_marked_tokens_are_exactly_the_coordinates(encoder, boxes, shapes):
    prompt = encoder.prompt(sample_of(boxes), seen(encoder, shapes[: len(boxes) + 1]))
    tokens = encoder.tokenizer.convert_ids_to_tokens(prompt.ids[prompt.marks['box_text']].tolist())
    written = ''.join(token.replace('Ġ', ' ') for token in tokens)
    assert written == ''.join(' '.join(str(value) for value in box) for box in boxes)
    assert all(token in {'Ġ', *'0123456789'} for token in tokens), 'one token per digit and per space'

    pads = torch.eq(prompt.ids, encoder.family.image_token_id).nonzero()[:, 0]
    query = shapes[len(boxes)][0] * shapes[len(boxes)][1]
    assert list(range(*prompt.query_rows)) == pads[-query:].tolist()
    assert prompt.marks['support_image'].nonzero()[:, 0].tolist() == pads[:-query].tolist()
    assert (prompt.marks['box_region'] <= prompt.marks['support_image']).all()


def test_four_shots_of_three_digits_mark_sixty_tokens(encoder):
    prompt = encoder.prompt(sample_of([(123, 234, 345, 456)] * 4), seen(encoder, [(2, 2)] * 5))
    assert int(prompt.marks['box_text'].sum()) == 60
