"""Do the data workers keep up with the training step, and where does their time go?

    python benchmarks/dataloader.py                      # a small model on the CPU
    python benchmarks/dataloader.py --model 7b --workers 8

Episodes of 4 shots from 1280 x 720 JPEGs (written to a temporary folder, scenes
of data/sprites), through the pipeline of configs/_base_/datasets/tao.py and the
processor of the model. Stages are timed in one process, then whole episodes as
the dataloader gives them with --workers workers, then the stage-1 step that they
feed. The reference decodes with PIL and calls a plain transformers processor on
images and text. The last line is JSON; ``over_step`` is the loader's episodes a
second over the step's.
"""

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from metering import device_name, metered
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image
from transformers import Qwen2VLConfig
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.utils.logging import disable_progress_bar

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.core.prompt import episode_messages
from focus_mmdet.datasets import collate_episodes
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.drawn.scenes import compose_scene
from focus_mmdet.models import FocusDetector
from focus_mmdet.models.data_preprocessors.episode_encoder import EpisodeEncoder
from focus_mmdet.models.sizing.published_sizes import published_config
from focus_mmdet.models.sizing.tiny import build_tiny_vlm

SIZE, FRAMES, PIXELS = (1280, 720), 5, 276480


def write_videos(root: Path, videos: int) -> None:
    """JPEG videos of one object each, and their annotation file."""
    rng = np.random.default_rng(0)
    sprites = sorted(Path('data/sprites/train').glob('*.webp'))
    with CocoWriter(root / 'train.json') as writer:
        for video in range(videos):
            drawing = Image.open(sprites[video % len(sprites)]).convert('RGBA')
            writer.start_video(str(video))
            for frame in range(FRAMES):
                image, boxes = compose_scene(rng, [drawing], SIZE, (0.2, 0.5))
                name = f'{video}_{frame}.jpg'
                Image.fromarray(image).save(root / name, quality=90)
                x1, y1, x2, y2 = boxes[0]
                writer.add_image(name, *SIZE, frame)
                writer.add_box(video, (x1, y1, x2 - x1, y2 - y1))


def seconds(call: Callable[[Any], Any], items: Iterable[Any], device: str = 'cpu') -> float:
    """Median seconds of ``call`` over ``items``."""
    measured: list[tuple[float, float]] = []
    for item in items:
        with metered(device, measured):
            call(item)
    return float(np.median([spent for spent, _ in measured]))


def plain_episode(encoder: EpisodeEncoder, record: dict[str, Any], budget: int) -> Any:
    """What a plain script does: PIL and one call of the processor."""
    frames = [*record['supports'], record]
    images = [Image.open(frame['img_path']).convert('RGB') for frame in frames]
    boxes = [[int(value) for value in frame['instances'][0]['bbox']] for frame in frames[:-1]]
    processor = encoder.processor
    text = processor.apply_chat_template(episode_messages(boxes), tokenize=False, add_generation_prompt=True)
    pixels = {'longest_edge': budget, 'shortest_edge': 28 * 28}
    return processor(text=[text], images=images, return_tensors='pt', images_kwargs={'size': pixels})


def stage_table(dataset: Any, encoder: EpisodeEncoder, count: int, budget: int) -> dict[str, float]:
    """Seconds an episode of each stage, in one process."""
    items = [dataset[index] for index in range(count)]
    batches = [collate_episodes([item]) for item in items]
    encoder(**_arguments(batches[0]))
    return {
        'decode and resize': seconds(dataset.__getitem__, range(count)),
        'processor and tokens': seconds(lambda batch: encoder(**_arguments(batch)), batches),
        'plain transformers': seconds(
            lambda index: plain_episode(encoder, dataset.get_data_info(index), budget), range(count)
        ),
    }


def _arguments(batch: dict[str, Any]) -> dict[str, Any]:
    return {'images': batch['inputs'], 'samples': batch['data_samples']}


def episode_loader(folder: str, detector: FocusDetector, workers: int, budget: int) -> dict[str, Any]:
    """The training dataloader of configs/focus_stage1.py over the written videos."""
    base = Config.fromfile('configs/_base_/datasets/tao.py')
    vision = detector.bbox_head.vlm.family.config.vision_config
    multiple = vision.patch_size * vision.spatial_merge_size
    dataset = dict(
        type='EpisodeDataset',
        data_root=folder,
        ann_file='train.json',
        episodes=dict(type='UniformSpanEpisodes', shots=4),
        pipeline=base.pipeline,
    )
    for step in base.pipeline[0].transforms:
        if step.type == 'ResizeToPixelBudget':
            step.update(multiple=multiple, max_pixels=budget)
    return dict(
        batch_size=1,
        num_workers=workers,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        collate_fn=dict(type='encode_episodes', pretrained=detector.pretrained),
        dataset=dataset,
    )


def loader_rate(dataloader: dict[str, Any], episodes: int) -> float:
    """Episodes a second once the workers are warm."""
    # build_dataloader takes the config apart.
    batches = iter(Runner.build_dataloader(copy.deepcopy(dataloader), seed=0))
    warm = dataloader['num_workers'] * 3
    for _ in islice(batches, warm):
        pass
    started = time.perf_counter()
    for _ in islice(batches, episodes):
        pass
    return episodes * dataloader['batch_size'] / (time.perf_counter() - started)


def step_seconds(detector: FocusDetector, data: dict[str, Any], device: str, repeats: int) -> float:
    """Median seconds of a forward and backward pass on one prepared batch."""
    detector.to(device).train()
    batch = detector.data_preprocessor(data)['inputs']

    def step(_: int) -> None:
        detector.bbox_head.loss(batch, detector.pad_id)['loss_lm'].backward()
        detector.zero_grad()

    step(0)
    return seconds(step, range(repeats), device)


def build_folder(folder: str) -> None:
    """Turn a folder of the small model into one of true Qwen2-VL-7B sizes."""
    small = Qwen2VLConfig.from_pretrained(folder)
    tokens = ('image_token_id', 'video_token_id', 'vision_start_token_id', 'vision_end_token_id')
    ids = {name: getattr(small, name) for name in tokens}
    published_config('Qwen2-VL-7B-Instruct', **ids).save_pretrained(folder)
    Qwen2VLImageProcessorPil(patch_size=14, merge_size=2).save_pretrained(folder)


def build_detector(model: str, folder: str, device: str) -> FocusDetector:
    """The detector of configs/focus_stage1.py with random weights, 7B or small."""
    build_tiny_vlm(folder, 'qwen2_vl', width=256, layers=6, vision=64)
    if model == '7b':
        build_folder(folder)
    head = Config.fromfile('configs/focus_stage1.py').model.bbox_head
    head.update(load_weights=False, dtype='bfloat16' if device == 'cuda' else 'float32')
    with torch.device(device):
        return FocusDetector(folder, dict(head))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--model', choices=['small', '7b'], default='small')
    parser.add_argument('--workers', type=int, default=1)
    parser.add_argument('--episodes', type=int, default=24)
    parser.add_argument('--repeats', type=int, default=5, help='of the step')
    parser.add_argument('--pixels', type=int, default=PIXELS, help='most of an image, after resizing')
    args = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    init_default_scope('mmdet')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    with tempfile.TemporaryDirectory() as folder:
        write_videos(Path(folder), args.episodes)
        detector = build_detector(args.model, f'{folder}/vlm', device)
        dataloader = episode_loader(folder, detector, args.workers, args.pixels)
        dataset = DATASETS.build(dataloader['dataset'])
        encoder = detector.data_preprocessor.encoder
        stages = stage_table(dataset, encoder, min(args.episodes, 8), args.pixels)
        rate = loader_rate(dataloader, args.episodes)
        step = step_seconds(detector, collate_episodes([dataset[0]]), device, args.repeats)
    print(f'{"stage":<24}{"seconds an episode":>20}')
    for name, spent in stages.items():
        print(f'{name:<24}{spent:>20.4f}')
    print(f'the dataloader, {args.workers} workers: {rate:.2f} episodes/s')
    print(f'the stage-1 step on {device}: {1 / step:.2f} episodes/s')
    own = stages['decode and resize'] + stages['processor and tokens']
    figures = {
        'episodes_per_second': rate,
        'episodes_per_second_per_worker': rate / max(args.workers, 1),
        'step_episodes_per_second': 1 / step,
        'over_step': rate * step,
        'seconds': own,
        'plain_seconds': stages['plain transformers'],
        'over_plain_transformers': stages['plain transformers'] / own,
    }
    print(
        json.dumps(
            {name: round(value, 4) for name, value in figures.items()} | {'device': device_name(device)}
        )
    )


if __name__ == '__main__':
    main()
