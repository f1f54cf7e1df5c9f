"""Shared fixtures: tiny models of both families and random episodes."""

import os

os.environ['OMP_NUM_THREADS'] = '1'
os.environ['HF_HUB_OFFLINE'] = '1'
os.environ['HF_HUB_DISABLE_PROGRESS_BARS'] = '1'

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from mmengine.registry import DefaultScope
from transformers.utils.logging import disable_progress_bar

import focus_mmdet  # noqa: F401
from focus_mmdet.models.sizing.tiny import build_tiny_vlm
from tests import plain_config_text  # noqa: F401

torch.set_num_threads(1)
disable_progress_bar()
DefaultScope.get_instance('tests', scope_name='mmdet')
settings.register_profile(
    'ci',
    deadline=None,
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile('ci')

ROOT = Path(__file__).parent.parent
#: What is shipped without training.
MATCHER = 'configs/feature_matcher_mobilenet_v2.py'
FAMILIES = [
    'qwen3_vl',
    'qwen2_5_vl',
    'qwen2_vl',
    'fast_vlm',
    'llava_onevision',
    'internvl',
    'smolvlm',
    'llava',
]


@pytest.fixture(scope='session')
def vlm_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Folder of a tiny VLM of a family, built once."""
    built: dict[str, str] = {}

    def build(family: str = 'qwen3_vl') -> str:
        if family not in built:
            folder = tmp_path_factory.mktemp('vlm') / f'focus-tiny-{family}'
            built[family] = str(build_tiny_vlm(folder, family, width=64, layers=3, vision=32))
        return built[family]

    return build


@pytest.fixture(scope='session')
def make_detector(vlm_folder: Callable[[str], str]) -> Callable[..., Any]:
    """A FocusDetector in float32."""
    from focus_mmdet.models import FocusDetector

    def make(family: str = 'qwen3_vl', **head: Any) -> FocusDetector:
        return FocusDetector(vlm_folder(family), bbox_head={'type': 'VLMHead', **head})

    return make


@pytest.fixture(scope='session')
def shared_detector(make_detector: Callable[..., Any]) -> Callable[..., Any]:
    """As ``make_detector``, built once per setting: for tests that leave its weights alone."""
    built: dict[str, Any] = {}

    def make(family: str = 'qwen3_vl', **head: Any) -> Any:
        key = f'{family} {sorted(head.items())}'
        if key not in built:
            built[key] = make_detector(family, **head)
        built[key].bbox_head.attention_supervision = ()
        built[key].zero_grad()
        return built[key].train()

    return make


def random_frame(rng: np.random.Generator, size: tuple[int, int]) -> tuple[torch.Tensor, Any]:
    """A noise image (3, H, W) and a sample with one box in it."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    width, height = size
    image = torch.from_numpy(rng.integers(0, 256, (3, height, width), dtype=np.uint8))
    x1, y1 = rng.uniform(0, width * 0.6), rng.uniform(0, height * 0.6)
    box = [x1, y1, x1 + rng.uniform(4, width - x1), y1 + rng.uniform(4, height - y1)]
    box = [box[0], box[1], min(box[2], width), min(box[3], height)]
    sample = DetDataSample(
        metainfo={
            'img_id': 0,
            'img_shape': (height, width),
            'ori_shape': (height, width),
            'instances': [{'bbox': box, 'bbox_label': 0, 'ignore_flag': 0}],
        }
    )
    sample.gt_instances = InstanceData(bboxes=torch.tensor([box]), labels=torch.zeros(1, dtype=torch.long))
    return image, sample


def random_batch(seed: int, shots: list[int], sizes: list[tuple[int, int]] | None = None) -> dict[str, Any]:
    """Collated random episodes, one per entry of ``shots``; frames differ in size."""
    rng = np.random.default_rng(seed)
    options = sizes or [(32, 32), (48, 32), (32, 64), (80, 48)]
    inputs, samples = [], []
    for index, count in enumerate(shots):
        frames = [random_frame(rng, options[rng.integers(len(options))]) for _ in range(count + 1)]
        sample = frames[-1][1]
        sample.set_metainfo({'img_id': index})
        sample.supports = [frame[1] for frame in frames[:-1]]
        inputs.append([frame[0] for frame in frames])
        samples.append(sample)
    return {'inputs': inputs, 'data_samples': samples}


def plain_inputs(
    detector: Any, batch: Any, ids: torch.Tensor, mask: torch.Tensor | None = None
) -> dict[str, Any]:
    """What plain transformers is given of a batch with these (B, T) ids."""
    family = detector.bbox_head.vlm.family
    inputs = dict(
        input_ids=ids,
        attention_mask=torch.ones_like(ids) if mask is None else mask,
        **family.join(batch.vision),
    )
    if family.takes_token_types:
        inputs['mm_token_type_ids'] = family.image_mask(ids).int()
    return inputs


def relative_error(first: torch.Tensor, second: torch.Tensor) -> float:
    """Largest difference relative to the largest value."""
    scale = max(float(second.detach().abs().max()), 1e-12)
    return float((first - second).detach().abs().max()) / scale
