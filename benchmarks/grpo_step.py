"""What one GRPO step costs: ours, ours by prefix-grouper or with nothing shared, and TRL's trainer.

    python benchmarks/grpo_step.py                  # a small model on the CPU
    python benchmarks/grpo_step.py --model 7b       # true 7B sizes, needs a GPU

A step is one prompt of 4 supports and a query: G answers of 25 tokens, their
IoU and format rewards, backward and AdamW on LoRA. All variants use the same
kind of model, images, G and dtype; weights are random, which speed and memory
do not depend on. With --varying every image of every step has its own size, so
that prompts differ in length, as in training. TRL prepares images and tokens
within its step, ours before it (0.013 s a prompt of the small model). What
needs a package that is not installed is left out, and what fails does not stop
the others. The table has median seconds and the peak memory that one step adds.
The last line is JSON for the largest G.
"""

import argparse
import json
import statistics
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from grouped_attention import prefix_grouper
from metering import device_name, in_fresh_process, metered
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from PIL import Image
from transformers import PrinterCallback, Qwen2VLConfig, TrainerCallback
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.utils.logging import disable_progress_bar

import focus_mmdet  # noqa: F401  loads mmdet with its stand-in
from focus_mmdet.core.grpo import group_advantages
from focus_mmdet.core.prompt import episode_messages
from focus_mmdet.engine.rewards import Answers, build_rewards, give_rewards
from focus_mmdet.models.data_preprocessors.data_preprocessor import EpisodeDataPreprocessor
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.heads.rollout import GRPOObjective, Rollout
from focus_mmdet.models.heads.vlm_head import VLMHead
from focus_mmdet.models.sizing.published_sizes import published_config
from focus_mmdet.models.sizing.tiny import build_tiny_vlm
from focus_mmdet.models.vlm.generation import generate, sampling_noise

#: And the packages that they need.
VARIANTS = {'ours': (), 'prefix_grouper': ('prefix_grouper',), 'unshared': (), 'trl': ('trl', 'datasets')}
SHOTS, ANSWER, BOX = 4, 25, [40.0, 30.0, 160.0, 140.0]
REWARDS = (dict(type='IoUReward'), dict(type='FormatReward', weight=0.5))


def build_folder(model: str, folder: str) -> None:
    """A model folder with the tokenizer of the tiny models."""
    build_tiny_vlm(folder, 'qwen2_vl', width=256, layers=6, vision=64)
    if model == '7b':
        small = Qwen2VLConfig.from_pretrained(folder)
        tokens = ('image_token_id', 'video_token_id', 'vision_start_token_id', 'vision_end_token_id')
        ids = {name: getattr(small, name) for name in tokens}
        published_config('Qwen2-VL-7B-Instruct', **ids).save_pretrained(folder)
        Qwen2VLImageProcessorPil(patch_size=14, merge_size=2).save_pretrained(folder)


def build_head(model: str, folder: str, device: str) -> VLMHead:
    """The head of the stage-2 configs."""
    with torch.device(device):
        head = VLMHead(
            folder,
            dtype='bfloat16' if device == 'cuda' else 'float32',
            lora=dict(r=8, lora_alpha=16),
            gradient_checkpointing=model == '7b',
            load_weights=False,
        )
    return head.to(device).train()


def build_images(model: str, steps: int, varying: bool) -> list[list[np.ndarray]]:
    """Noise (height, width, 3) of each step, of the size that the pixel budget leaves, or down to 3/4."""
    multiple, shape = (28, (14, 25)) if model == '7b' else (16, (12, 16))
    rng = np.random.default_rng(0)

    def image() -> np.ndarray:
        cells = [rng.integers(-(-3 * most // 4), most + 1) for most in shape] if varying else shape
        return rng.integers(0, 256, (*(multiple * count for count in cells), 3), dtype=np.uint8)

    return [[image() for _ in range(SHOTS + 1)] for _ in range(steps)]


def build_batch(speech: EpisodeDataPreprocessor, images: list[np.ndarray], copies: int) -> EpisodeBatch:
    """``copies`` of the prompt."""
    samples = [DetDataSample(metainfo={'img_id': 0, 'img_shape': image.shape[:2]}) for image in images]
    for sample in samples:
        sample.gt_instances = InstanceData(bboxes=torch.tensor([BOX]))
    samples[-1].supports = samples[:-1]
    frames = [torch.from_numpy(image).permute(2, 0, 1) for image in images]
    data = {'inputs': [frames] * copies, 'data_samples': [samples[-1]] * copies}
    return speech(data)['inputs']


def our_step(
    head: VLMHead, speech: EpisodeDataPreprocessor, size: int, grouper: bool
) -> Callable[[EpisodeBatch], None]:
    """One step on a batch, a prompt or, with nothing shared, ``size`` copies of it.

    With ``grouper`` that package shares the prompt where answers are learned from.
    """
    trained = [weight for weight in head.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6)
    rewards = build_rewards(REWARDS)
    pad_id = int(speech.encoder.tokenizer.pad_token_id)

    def step(batch: EpisodeBatch) -> None:
        batch.features = None
        head.eval()
        answers = generate(
            head.vlm,
            batch,
            stop_id=-1,  # every answer has the same length
            pad_id=pad_id,
            forbidden_ids=speech.encoder.forbidden_ids,
            max_new_tokens=ANSWER,
            num_generations=size // len(batch),
            noise=sampling_noise(range(size), ANSWER),
        ).ids
        head.train()
        assert batch.targets is not None
        targets = batch.targets[:1].expand(size, 4)
        total, _ = give_rewards(
            rewards, Answers.read([speech.encoder.decode(ids) for ids in answers], targets, [0] * size)
        )
        each = size // len(batch)
        rollout = Rollout(
            answers=[answers[start : start + each] for start in range(0, size, each)],
            advantages=group_advantages(total, size),
            objective=GRPOObjective(loss_type='grpo'),
            total_answers=size,
            total_tokens=size * ANSWER,
            global_tokens=total.new_tensor(float(size * ANSWER)),
        )
        lengths = [len(batch.prompt_ids[0]), *[ANSWER] * each]
        with prefix_grouper(head.vlm, lengths) if grouper else nullcontext():
            head.policy_loss(batch, rollout, pad_id)['loss_policy'].backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


class StepMeter(TrainerCallback):
    """Measures each step of a ``transformers.Trainer``."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.measured: list[tuple[float, float]] = []
        self._open: Any = None

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._open = metered(self.device, self.measured)
        self._open.__enter__()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._open.__exit__(None, None, None)


def run_trl(
    head: VLMHead, speech: EpisodeDataPreprocessor, images: list[list[np.ndarray]], size: int
) -> list[tuple[float, float]]:
    """Seconds and bytes of a step of TRL's trainer on each prompt's images."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    device = head.vlm.device.type
    batch = build_batch(speech, images[0], 1)
    assert batch.targets is not None
    targets = batch.targets.expand(size, 4)
    rewards = build_rewards(REWARDS)

    def reward(completions: list[Any], **_: Any) -> list[float]:
        texts = [completion[0]['content'] for completion in completions]
        return give_rewards(rewards, Answers.read(texts, targets, [0] * size))[0].tolist()

    box = [int(value) for value in batch.targets[0].tolist()]
    rows = Dataset.from_dict({'prompt': [episode_messages([box] * SHOTS)] * len(images)})
    pictures = [[Image.fromarray(image) for image in prompt] for prompt in images]
    rows = rows.add_column('images', [[number] for number in range(len(images))])
    rows.set_transform(lambda part: {**part, 'images': [pictures[number] for (number,) in part['images']]})
    meter = StepMeter(device)
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=head.vlm.model,
            reward_funcs=reward,
            processing_class=speech.encoder.processor,
            train_dataset=rows,
            callbacks=[meter],
            args=GRPOConfig(
                output_dir=folder,
                per_device_train_batch_size=size,
                num_generations=size,
                max_completion_length=ANSWER,
                generation_kwargs={'min_new_tokens': ANSWER},
                max_steps=len(images),
                learning_rate=1e-6,
                loss_type='grpo',
                gradient_checkpointing=head.vlm.model.is_gradient_checkpointing,
                use_cpu=device == 'cpu',
                bf16=device == 'cuda',
                report_to=[],
                save_strategy='no',
                logging_strategy='no',
                disable_tqdm=True,
            ),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return meter.measured


def measure(
    variant: str, model: str, size: int, steps: int, varying: bool
) -> tuple[int, list[tuple[float, float]]]:
    """The most tokens of a prompt, and (seconds, bytes) of each step."""
    disable_progress_bar()
    device = 'cuda' if model == '7b' else 'cpu'
    if device == 'cpu':
        torch.set_num_threads(1)
    measured: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        build_folder(model, folder)
        head, speech = build_head(model, folder, device), EpisodeDataPreprocessor(folder).to(device)
        images = build_images(model, steps, varying)
        if variant == 'trl':
            measured = run_trl(head, speech, images, size)
        else:
            step = our_step(head, speech, size, variant == 'prefix_grouper')
            for prompt in images:
                batch = build_batch(speech, prompt, size if variant == 'unshared' else 1)
                with metered(device, measured):
                    step(batch)
        prompts = [build_batch(speech, prompt, 1).prompt_ids[0] for prompt in images]
    return max(len(prompt) for prompt in prompts), measured


def compare(model: str, size: int, steps: int, varying: bool) -> dict[str, Any]:
    """Prompt tokens, and seconds and bytes of each variant, whose table is printed."""
    figures: dict[str, Any] = {'num_generations': size, 'failed': []}
    for variant, packages in VARIANTS.items():
        lacking = [package for package in packages if find_spec(package) is None]
        if lacking:
            print(f'{"":7} {size:3} {variant:>15}  needs {", ".join(lacking)}')
            continue
        try:
            tokens, measured = in_fresh_process(measure, variant, model, size, steps, varying)
        except Exception:
            if variant == 'ours':
                raise
            traceback.print_exc()
            figures['failed'].append(variant)
            continue
        # Memory of the first step: later ones reuse what the allocator kept.
        seconds = statistics.median([second for second, _ in measured[1:]] or [measured[0][0]])
        figures['prompt_tokens'] = tokens
        row = figures[variant] = {'seconds': seconds, 'gb': max(peak for _, peak in measured) / 1e9}
        ours = figures['ours']
        print(
            f'{tokens:7} {size:3} {variant:>15} {row["seconds"]:9.3f} {1000 * row["gb"]:8.0f} '
            f'{row["seconds"] / ours["seconds"]:13.2f}x {ours["gb"] / row["gb"]:7.2f}',
            flush=True,
        )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--model', choices=('small', '7b'), default='small')
    parser.add_argument('--num-generations', type=int, nargs='+', default=[4, 8])
    parser.add_argument('--steps', type=int, default=4, help='the first one only warms up')
    parser.add_argument('--varying', action='store_true', help='another prompt length in each step')
    options = parser.parse_args()
    if options.model == '7b' and not torch.cuda.is_available():
        raise SystemExit('--model 7b needs a CUDA device')
    device = device_name('cuda' if options.model == '7b' else 'cpu')
    lengths_are = ', varying lengths' if options.varying else ''
    print(f'{options.model} Qwen2-VL, {SHOTS} shots, answers of {ANSWER} tokens, {device}' + lengths_are)
    print(
        f'{"prompt":>7} {"G":>3} {"variant":>15} {"seconds":>9} {"MB":>8} {"speed of ours":>14} {"memory":>7}'
    )
    for size in options.num_generations:
        figures = compare(options.model, size, options.steps, options.varying)
    ours = figures['ours']
    for variant in VARIANTS.keys() & figures.keys() - {'ours'}:
        figures[f'speed_over_{variant}'] = round(figures[variant]['seconds'] / ours['seconds'], 3)
        figures[f'memory_over_{variant}'] = round(ours['gb'] / figures[variant]['gb'], 3)
    print(json.dumps({**figures, 'model': options.model, 'varying': options.varying, 'device': device}))
    sys.exit(bool(figures['failed']))


if __name__ == '__main__':
    main()
