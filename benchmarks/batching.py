"""How much of a batch is padding when shots are mixed, and what it costs.

    python benchmarks/batching.py

Stage-1 steps of the embedded model (built in a temporary folder, random
weights) on data/realset with 1, 2 or 4 shots an episode: batches drawn at
random against batches of equal shots. The last line is JSON.
"""

import argparse
import json
import tempfile
import time
from typing import Any

import torch
from metering import device_name
from mmdet.registry import DATA_SAMPLERS, DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from focus_mmdet.datasets import ShotGroupedBatchSampler, collate_episodes
from focus_mmdet.models import FocusDetector
from focus_mmdet.models.sizing.tiny import build_tiny_vlm


def prepared(detector: FocusDetector, dataset: Any, batches: list[list[int]]) -> list[Any]:
    """Model inputs of index batches."""
    data = [collate_episodes([dataset[index] for index in batch]) for batch in batches]
    return [detector.data_preprocessor(item, True)['inputs'] for item in data]


def measure(detector: FocusDetector, batches: list[Any]) -> tuple[float, float]:
    """Share of padding in 0..1, and real tokens a second."""
    real, padded, started = 0, 0, time.process_time()
    for batch in batches:
        assert batch.answer_ids is not None
        lengths = [len(p) + len(a) for p, a in zip(batch.prompt_ids, batch.answer_ids, strict=True)]
        real, padded = real + sum(lengths), padded + len(lengths) * max(lengths)
        detector.bbox_head.loss(batch, detector.pad_id)['loss_lm'].backward()
        detector.zero_grad()
    return 1 - real / padded, real / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--batches', type=int, default=12)
    args = parser.parse_args()
    torch.manual_seed(0)
    config = Config.fromfile('configs/focus_tiny_stage1.py')
    init_default_scope('mmdet')
    photos = config.train_dataloader.dataset.datasets[0].dataset
    photos.episodes.update(shots=[1, 2, 4], per_track=32)
    photos.bad_records = 'drop'
    dataset = DATASETS.build(photos)
    with tempfile.TemporaryDirectory() as folder:
        build_tiny_vlm(folder)
        detector = FocusDetector(folder, dict(config.model.bbox_head)).train()

    def sampler() -> Any:
        return DATA_SAMPLERS.build(
            dict(type='InfiniteSampler', shuffle=True, seed=0), default_args=dict(dataset=dataset)
        )

    drawn = torch.utils.data.BatchSampler(sampler(), args.batch_size, drop_last=True)
    grouped = ShotGroupedBatchSampler(sampler(), args.batch_size)
    figures = {}
    print(f'{"batches":>10}{"padding":>12}{"tokens/s":>12}')
    for name, source in (('random', drawn), ('grouped', grouped)):
        batches = [batch for batch, _ in zip(source, range(args.batches), strict=False)]
        figures[name] = measure(detector, prepared(detector, dataset, batches))
        print(f'{name:>10}{figures[name][0]:>11.1%}{figures[name][1]:>12.0f}')
    rows: dict[str, Any] = {}
    for name, (padding, speed) in figures.items():
        rows |= {f'padding_{name}': round(padding, 3), f'tokens_per_second_{name}': round(speed, 1)}
    rows['speed_over_random'] = round(figures['grouped'][1] / figures['random'][1], 3)
    print(json.dumps({**rows, 'device': device_name('cpu')}))


if __name__ == '__main__':
    main()
