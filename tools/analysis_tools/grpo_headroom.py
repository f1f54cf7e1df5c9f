"""What can stage 2 gain from this checkpoint? Measured before paying for it.

    python tools/analysis_tools/grpo_headroom.py CONFIG CHECKPOINT --answers 32

GRPO raises answers that the model already draws. On the test episodes of CONFIG:

- ``drawn``: mean IoU of answers at temperature 1, which GRPO trains;
- ``greedy``: of the most probable tokens, which a test reports;
- ``consensus``: of the drawn answer that agrees most with the others: about where
  a policy arrives that only becomes surer. Greedy answers as good as that gain by
  learning from rare answers alone;
- ``best``: of the best of all drawn answers: what rare answers hold;
- ``reward_std``: within an episode. Where it is 0, GRPO learns nothing.

CHECKPOINT may be 'none', the pretrained model as it is. Figures are in 0..1, with
95 % intervals over episodes; a right answer "absent" counts 1. The last line is JSON.
"""

import argparse
import json

import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from focus_mmdet.apis.export import load_detector
from focus_mmdet.cli import KeyValues, read_config, run_cli
from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.datasets import collate_episodes
from focus_mmdet.engine.launch import check_inputs
from focus_mmdet.engine.rewards import Answers
from focus_mmdet.models import FocusDetector
from focus_mmdet.models.episode_batch import require_ground_truth
from focus_mmdet.models.vlm.generation import Generated, Sampling, sampling_noise


def consensus(answers: Answers, size: int) -> Tensor:
    """(B,) place within its group of ``size`` of the answer that agrees most with the others."""
    boxes = answers.boxes.view(-1, size, 4)
    pairs = (boxes[:, :, None].expand(-1, -1, size, 4), boxes[:, None].expand(-1, size, -1, 4))
    agreement = paired_iou(*(side.reshape(-1, 4) for side in pairs)).view(-1, size, size)
    absent = answers.absent.view(-1, size)
    agreement += (absent[:, :, None] & absent[:, None]).float()
    return agreement.mean(2).argmax(1)


@torch.no_grad()
def episode_figures(
    detector: FocusDetector, episodes: list[dict], answers: int, seed: int
) -> dict[str, Tensor]:
    """One (B,) figure by name for each of B episodes."""
    data = detector.data_preprocessor(collate_episodes(episodes), training=True)
    batch, samples = data['inputs'], data['data_samples']
    encoder, head = detector.data_preprocessor.encoder, detector.bbox_head
    require_ground_truth(batch, samples)

    def read(generated: Generated, size: int) -> Answers:
        return Answers.read(
            [encoder.decode(ids) for ids in generated.ids],
            batch.targets.repeat_interleave(size, 0),
            [sample.img_id for sample in samples for _ in range(size)],
            encoder.read,
            batch.cells.repeat_interleave(size, 0),
        )

    greedy = read(head.generate(batch, encoder, head.max_new_tokens), 1)
    seeds = [seed * answers + place for place in range(len(batch) * answers)]
    drawn = read(
        head.generate(
            batch,
            encoder,
            head.max_new_tokens,
            num_generations=answers,
            sampling=Sampling(),
            noise=sampling_noise(seeds, head.max_new_tokens),
        ),
        answers,
    )
    ious = drawn.iou.view(-1, answers)
    return {
        'drawn': ious.mean(1),
        'greedy': greedy.iou,
        'consensus': ious.gather(1, consensus(drawn, answers)[:, None])[:, 0],
        'best': ious.max(1).values,
        'reward_std': ious.std(1),
    }


def measure(config: Config, checkpoint: str | None, answers: int, episodes: int) -> dict[str, Tensor]:
    """Figures by name, each (N,) over episodes spaced evenly over the test set."""
    config.load_from = checkpoint
    check_inputs(config, ['test_dataloader'])
    init_default_scope(config.get('default_scope', 'mmdet'))
    dataset = DATASETS.build(config.test_dataloader.dataset)
    detector = load_detector(config, checkpoint).to('cuda' if torch.cuda.is_available() else 'cpu')
    count, size = min(episodes, len(dataset)), config.test_dataloader.batch_size
    parts = [
        episode_figures(
            detector,
            [dataset[step * len(dataset) // count] for step in range(start, min(start + size, count))],
            answers,
            start,
        )
        for start in range(0, count, size)
    ]
    return {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}


def table(figures: dict[str, Tensor]) -> str:
    """Aligned text, one line a figure, and what the consensus adds to greedy answers."""
    rows = {**figures, 'consensus - greedy': figures['consensus'] - figures['greedy']}
    lines = [f'{"":<20}{"mean":>8}{"95 %":>10}']
    for name, values in rows.items():
        half = 1.96 * float(values.std()) / len(values) ** 0.5 if len(values) > 1 else float('nan')
        lines.append(f'{name:<20}{float(values.mean()):>8.4f}{f"± {half:.4f}":>10}')
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--answers', type=int, default=32, help='drawn to each episode')
    parser.add_argument('--episodes', type=int, default=256)
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    if args.answers < 2 or args.episodes < 1:
        parser.error('--answers must be at least 2, --episodes at least 1')
    config = read_config(args.config, args.cfg_options)
    checkpoint = None if args.checkpoint == 'none' else args.checkpoint
    figures = measure(config, checkpoint, args.answers, args.episodes)
    print(f'{len(figures["drawn"])} episodes, {args.answers} answers each\n{table(figures)}')
    print(json.dumps({name: round(float(values.mean()), 4) for name, values in figures.items()}))


if __name__ == '__main__':
    run_cli(main)
