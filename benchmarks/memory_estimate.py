"""What a training step takes, against what tools/analysis_tools/estimate_memory.py says of it.

    python benchmarks/memory_estimate.py                # a small model on the CPU
    python benchmarks/memory_estimate.py --model 7b     # the 7B recipe, needs a GPU

Both stages, on episodes as large as their configs allow, with random weights.
On a GPU ``gb`` is all that is taken of it, from the weights to what CUDA itself
needs. A CPU process holds much besides, so there it is the growth of one step
over what stays. The last line is JSON.
"""

import argparse
import json
import runpy
import tempfile
from pathlib import Path
from typing import Any

import torch
from metering import device_name, free_at_once, in_fresh_process, metered
from mmengine.config import Config

import focus_mmdet  # noqa: F401  loads mmdet with its stand-in
from focus_mmdet.core.prefix import share_prefix
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.heads.attention_supervision import AttentionSupervision
from focus_mmdet.models.heads.vlm_head import VLMHead
from focus_mmdet.models.sizing.dry_run import dry_episodes
from focus_mmdet.models.sizing.published_sizes import published_config
from focus_mmdet.models.sizing.tiny import build_tiny_vlm
from focus_mmdet.models.vlm.generation import generate, sampling_noise

TOOL = Path(__file__).parents[1] / 'tools/analysis_tools/estimate_memory.py'


def stage_config(tool: dict[str, Any], model: str, stage: int, folder: str, pixels: int) -> Config:
    """That of the stage, over a model folder of its sizes, which is written."""
    config = Config.fromfile(str(TOOL.parents[2] / f'configs/focus_stage{stage}.py'))
    if model == '7b':
        published_config('Qwen2-VL-7B-Instruct').save_pretrained(folder)
    else:
        build_tiny_vlm(folder, 'qwen2_vl', width=256, layers=6, vision=32)
        config.model.bbox_head.dtype = 'float32'
        config.train_dataloader.batch_size = 2
        for step in tool['find'](config.train_dataloader, 'max_pixels'):
            step.update(max_pixels=pixels, multiple=16)
        for step in tool['find'](config.train_dataloader, 'shots'):
            step['shots'] = 2
    config.model.pretrained = folder
    return config


def learn(head: VLMHead, batch: EpisodeBatch, optimizer: Any, answers: list[list[torch.Tensor]]) -> None:
    """One step, of stage 2 where there are ``answers``."""
    batch.features = None
    if answers:
        loss = head.answer_logps(batch, share_prefix(batch.prompt_ids, answers, 0), 1.0)[0].mean()
    else:
        losses = head.loss(batch, pad_id=0)
        loss = torch.stack([value for name, value in losses.items() if 'loss' in name]).sum()
    loss.backward()
    optimizer.step()


def draw(head: VLMHead, batch: EpisodeBatch, count: int, longest: int) -> None:
    """Answers of a rollout."""
    batch.features = None
    noise = sampling_noise(range(count * len(batch)), longest)
    limits: dict[str, Any] = {'max_new_tokens': longest, 'num_generations': count, 'noise': noise}
    generate(head.eval().vlm, batch, stop_id=-1, pad_id=0, forbidden_ids=[], **limits)
    head.train()


def measure(model: str, stage: int, pixels: int) -> dict[str, float]:
    """Gigabytes measured and estimated."""
    device = 'cuda' if model == '7b' else 'cpu'
    torch.set_num_threads(1)
    if device == 'cpu':
        free_at_once()
    tool = runpy.run_path(str(TOOL))
    with tempfile.TemporaryDirectory() as folder:
        config = stage_config(tool, model, stage, folder, pixels)
        rows = tool['estimate'](config)
        options = {key: value for key, value in config.model.bbox_head.items() if key != 'type'}
        with torch.device(device):
            head = VLMHead(folder, **options, load_weights=False).to(device).train()
    episode = tool['episode_size'](config, head.vlm.family)
    if stage == 1:
        head.attention_supervision = (AttentionSupervision(),)
    else:
        head.reference = head.snapshot()
    batch = dry_episodes(head.vlm.family, int(config.train_dataloader.batch_size), **episode)
    batch.vision = [
        {name: torch.randn(each.shape) if each.is_meta else each for name, each in image.items()}
        for image in batch.vision
    ]
    batch = batch.to(device)
    schedule = config.train_cfg
    answers: list[list[torch.Tensor]] = []
    if stage == 2:
        answer = torch.zeros(schedule.max_completion_length, dtype=torch.long, device=device)
        answers = [[answer] * schedule.num_generations] * len(batch)
    optimizer = torch.optim.AdamW([weight for weight in head.parameters() if weight.requires_grad])
    measured: list[tuple[float, float]] = []
    for _ in range(2):  # the first makes gradients and optimizer states
        with metered(device, measured):
            if stage == 2:
                draw(head, batch, schedule.num_generations, schedule.max_completion_length)
            learn(head, batch, optimizer, answers)
    if device == 'cuda':
        free, total = torch.cuda.mem_get_info()
        return {'gb': (total - free) / 1e9, 'estimated_gb': rows['total'] / 1e9}
    return {'gb': measured[1][1] / 1e9, 'estimated_gb': max(rows['learning'], rows.get('rollout', 0)) / 1e9}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--model', choices=('small', '7b'), default='small')
    parser.add_argument('--pixels', type=int, default=40000, help='most of an image, of the small model')
    args = parser.parse_args()
    if args.model == '7b' and not torch.cuda.is_available():
        parser.error('--model 7b needs a GPU')
    figures: dict[str, Any] = {}
    for stage in (1, 2):
        row = figures[f'stage{stage}'] = in_fresh_process(measure, args.model, stage, args.pixels)
        ratio = row['estimated_gb'] / row['gb']
        print(
            f'stage {stage}: {row["gb"]:.3f} GB, estimated {row["estimated_gb"]:.3f} GB ({ratio:.2f})',
            flush=True,
        )
    print(json.dumps({**figures, 'device': device_name('cuda' if args.model == '7b' else 'cpu')}))


if __name__ == '__main__':
    main()
