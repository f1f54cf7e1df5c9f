"""Boxes from an image file into a family's text and back, at the published processors' sizes."""

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from mmdet.registry import DATASETS
from PIL import Image
from transformers import AutoConfig

from focus_mmdet.core.boxes import from_grid
from focus_mmdet.core.prompt import parse_answer
from focus_mmdet.datasets import collate_episodes
from focus_mmdet.models.data_preprocessors.data_preprocessor import EpisodeDataPreprocessor
from focus_mmdet.models.sizing.published_sizes import published_config
from focus_mmdet.models.sizing.tiny import TINY_FAMILIES, build_tiny_vlm
from focus_mmdet.models.vlm.vlm import load_family

#: Published models, and tiny ones where sizes are not what matters.
MODELS = [
    'Qwen2-VL-7B-Instruct',
    'Qwen2.5-VL-7B-Instruct',
    'Qwen3-VL-8B-Instruct',
    'fast_vlm',
    'llava_onevision',
    'internvl',
    'smolvlm',
    'llava',
]
#: What EXIF orientation 1 to 8 has done to the image as it is seen.
STORED = [None, *(Image.Transpose[name] for name in (
    'FLIP_LEFT_RIGHT', 'ROTATE_180', 'FLIP_TOP_BOTTOM', 'TRANSPOSE', 'ROTATE_90', 'TRANSVERSE', 'ROTATE_270',
))]  # fmt: skip


@pytest.fixture(scope='module', params=MODELS)
def speech(request, tmp_path_factory):
    """The preprocessor of a published model, with a tiny tokenizer, or of a tiny model."""
    folder, name = tmp_path_factory.mktemp('published'), request.param
    tiny = name if name in TINY_FAMILIES else 'qwen2_vl'
    small = AutoConfig.from_pretrained(build_tiny_vlm(folder, tiny, width=64, layers=1, vision=32))
    if name not in TINY_FAMILIES:
        ids = {token: getattr(small, token) for token in ('image_token_id', 'video_token_id')}
        published_config(name, **ids).save_pretrained(folder)
        load_family(str(folder)).image_processor().save_pretrained(folder)
    return EpisodeDataPreprocessor(str(folder))


def load(folder, images, boxes, multiple):
    """An episode of image files: through file checks, loading, resizing and packing."""
    frames = [
        dict(file_name=name, width=w, height=h, bbox=[x1, y1, x2 - x1, y2 - y1])
        for (name, w, h), (x1, y1, x2, y2) in zip(images, boxes, strict=True)
    ]
    (folder / 'episodes.json').write_text(
        json.dumps({'episodes': [{'supports': frames[:-1], 'query': frames[-1]}]})
    )
    budget = dict(type='ResizeToPixelBudget', max_pixels=276480, multiple=multiple)
    steps = [dict(type='LoadFrame'), dict(type='LoadAnnotations', with_bbox=True), budget]
    dataset = DATASETS.build(
        dict(
            type='EpisodeDataset', data_root=str(folder), ann_file='episodes.json', test_mode=True,
            data_prefix=dict(img=''),
            pipeline=[dict(type='ForEachFrame', transforms=steps), dict(type='PackEpisodeInputs')],
        )
    )  # fmt: skip
    return dataset[0]


def save(image, path, orientation):
    """Write an image as seen, stored as its EXIF orientation says."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = STORED[orientation - 1]
    (image if turn is None else image.transpose(turn)).save(path, exif=exif)
    return path.name, *image.size


@st.composite
def frames(draw):
    """((width, height), box in pixels of it, orientation)."""
    narrow = st.integers(28, 4000).flatmap(
        lambda side: st.tuples(st.just(side), st.integers(max(28, side // 180), 40))
    )
    width, height = draw(
        st.one_of(
            st.tuples(st.integers(28, 4000), st.integers(28, 3000)), narrow, narrow.map(lambda s: s[::-1])
        )
    )
    sides = []
    for length in (width, height):
        start = draw(st.floats(0, length - 1))
        sides.append((start, draw(st.floats(start + 1, length))))
    return (
        (width, height),
        [*(low for low, _ in sides), *(high for _, high in sides)],
        draw(st.integers(1, 8)),
    )


def close(text_box, box, size, cells):
    """Half a cell away at most, or one where a side is thinner than that."""
    cell = np.array([size[0] / cells[0], size[1] / cells[1]] * 2)
    sides = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    back = from_grid(torch.tensor([text_box]), size, cells)[0].numpy()
    limit = np.where(sides > cell, cell / 2, cell)
    return (np.abs(back - np.array(box)) <= limit + 1e-3 * cell).all()


@settings(max_examples=12, phases=[Phase.generate])
@given(frames(), frames())
def test_boxes_come_back_from_every_family(speech, tmp_path_factory, support, query):
    folder = tmp_path_factory.mktemp('episode')
    images = [
        save(Image.new('RGB', size), folder / f'{index}.jpg', orientation)
        for index, (size, _, orientation) in enumerate((support, query))
    ]
    vision = speech.encoder.family.config.vision_config
    multiple = vision.patch_size * vision.spatial_merge_size if hasattr(vision, 'spatial_merge_size') else 28
    data = load(folder, images, [support[1], query[1]], multiple)
    sample = data['data_samples']
    assert sample.ori_shape == query[0][::-1]
    batch = speech(collate_episodes([data]))['inputs']

    answer = parse_answer(speech.encoder.decode(batch.answer_ids[0]))
    assert answer.well_formed
    assert answer.box is not None, 'a true box is never an empty one'
    cells = tuple(batch.cells[0].tolist())
    assert close(answer.box, query[1], query[0], cells)
    told = re.findall(r'bounding box \[(.*?)\]', speech.encoder.decode(batch.prompt_ids[0]))
    seen = speech.encoder.see(data['inputs'])
    assert cells == (
        seen[1].size if speech.encoder.family.config.model_type == 'qwen2_5_vl' else (1000, 1000)
    )
    assert close([int(value) for value in told[0].split(',')], support[1], support[0], seen[0].cells)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('suffix', ['jpg', 'webp', 'png'])
def test_a_turned_file_is_loaded_as_its_box_was_drawn(tmp_path, orientation, suffix):
    seen = np.zeros((60, 100, 3), np.uint8)
    seen[8:24, 48:80] = 255
    path = tmp_path / f'turned.{suffix}'
    image = save(Image.fromarray(seen), path, orientation)
    data = load(tmp_path, [image] * 2, [[48, 8, 80, 24]] * 2, 4)
    sample = data['data_samples']
    x1, y1, x2, y2 = sample.gt_instances.bboxes[0].round().int().tolist()
    loaded = data['inputs'][-1].float().mean(0)
    inside = torch.zeros_like(loaded, dtype=torch.bool)
    inside[y1:y2, x1:x2] = True
    assert loaded[inside].mean() > 200
    assert loaded[~inside].mean() < 20
