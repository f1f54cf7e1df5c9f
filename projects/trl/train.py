"""Train stage 2 of a config by trl.GRPOTrainer, on the same episodes with the same rewards.

python projects/trl/train.py configs/focus_tiny_stage2.py --work-dir work_dirs/trl

README.md beside this file says what is read from the config, and what is not.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from datasets import Dataset
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from peft import LoraConfig
from PIL import Image
from torch.cuda import is_available as has_gpu
from transformers import AutoModelForImageTextToText
from trl import GRPOConfig, GRPOTrainer

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.apis import trl_reward
from focus_mmdet.apis.export import copy_companions
from focus_mmdet.cli import KeyValues, check_folder, read_config, run_cli
from focus_mmdet.engine.effective_batch import batches_per_step
from focus_mmdet.engine.launch import check_inputs, check_numbers
from focus_mmdet.engine.rewards import build_rewards
from focus_mmdet.errors import InputError
from focus_mmdet.models.data_preprocessors.episode_encoder import EpisodeEncoder
from focus_mmdet.models.episode_batch import require_ground_truth


def conversation(episode: dict[str, Any], encoder: EpisodeEncoder) -> dict[str, Any]:
    """A row for TRL: messages with images, and what our rewards ask for."""
    images, sample = episode['inputs'], episode['data_samples']
    batch = encoder([images], [sample])
    require_ground_truth(batch, [sample])
    assert batch.targets is not None
    return {
        'prompt': encoder.prompts.messages(sample, encoder.see(images)),
        'images': [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images],
        'target': batch.targets[0].tolist(),
        'cells': batch.cells[0].tolist(),
        'episode': sample.img_id,
    }


def conversations(episodes: Sequence[dict[str, Any]], encoder: EpisodeEncoder) -> Dataset:
    """Episodes as rows that are made when TRL asks for them."""

    def rows(chosen: dict[str, list[int]]) -> dict[str, list[Any]]:
        made = [conversation(episodes[index], encoder) for index in chosen['index']]
        return {name: [row[name] for row in made] for name in made[0]}

    return Dataset.from_dict({'index': range(len(episodes))}).with_transform(rows)


def arguments(config: Config, work_dir: str, encoder: EpisodeEncoder) -> dict[str, Any]:
    """Options of ``GRPOConfig``; those that ``GRPOTrainLoop`` shares go by the same names."""
    loop, wrapper, head = config.train_cfg, config.optim_wrapper, config.model.bbox_head
    shared = {field.name for field in fields(GRPOConfig)}
    accumulated, steps = wrapper.get('accumulative_counts', 1), loop.max_iters * loop.get('num_iterations', 1)
    if loop.get('effective_batch') is None:
        steps //= accumulated
    else:
        each, processes = config.train_dataloader.batch_size, int(os.environ.get('WORLD_SIZE', 1))
        accumulated = batches_per_step(loop.effective_batch, each, processes, accumulated)
    warm_ups = [each for each in config.get('param_scheduler') or [] if each.type == 'LinearLR']
    return {
        **{key: value for key, value in loop.items() if key in shared},
        'output_dir': work_dir,
        'reward_weights': [reward.weight for reward in build_rewards(loop.rewards)],
        'generation_kwargs': {'suppress_tokens': encoder.forbidden_ids},
        'per_device_train_batch_size': config.train_dataloader.batch_size * loop.num_generations,
        'gradient_accumulation_steps': accumulated,
        'max_steps': steps,
        'learning_rate': wrapper.optimizer.lr,
        'weight_decay': wrapper.optimizer.get('weight_decay', 0.0),
        'max_grad_norm': (wrapper.get('clip_grad') or {}).get('max_norm', 0.0),
        'lr_scheduler_type': 'cosine',
        'warmup_steps': sum(each.end - each.begin for each in warm_ups),
        'gradient_checkpointing': head.get('gradient_checkpointing', False),
        'bf16': False,  # Weights keep their own dtype, as ours do without --amp.
        'use_cpu': not has_gpu(),
        'seed': config.get('randomness', {}).get('seed') or 0,
        'logging_steps': 1,
        'save_steps': config.default_hooks.checkpoint.interval,
        'report_to': [],
    }


def build_trainer(
    config: Config, work_dir: str, kind: type[GRPOTrainer] = GRPOTrainer, **options: Any
) -> GRPOTrainer:
    """TRL's trainer, ready to train from the folder ``model.pretrained``.

    Args:
        config: Of stage 2.
        work_dir: Folder of checkpoints.
        kind: The trainer, or a subclass.
        **options: Of ``GRPOConfig``, over those of the config.
    """
    if config.train_cfg.get('type') != 'GRPOTrainLoop':
        raise InputError("train_cfg.type: TRL trains configs of stage 2, with type='GRPOTrainLoop'")
    init_default_scope('mmdet')
    folder, head = config.model.pretrained, config.model.bbox_head
    may_be_absent = config.model.get('data_preprocessor', {}).get('may_be_absent', False)
    encoder = EpisodeEncoder(folder, may_be_absent)
    # TRL pads prompts on the left, and leaves the side of their marks of image tokens to the tokenizer.
    encoder.tokenizer.padding_side = 'left'
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=head.get('dtype', 'float32'))
    encoder.family.freeze_vision(model, head.get('freeze_vision', True))
    lora = head.get('lora')
    return kind(
        model,
        reward_funcs=[trl_reward(each, may_be_absent) for each in build_rewards(config.train_cfg.rewards)],
        args=GRPOConfig(**{**arguments(config, work_dir, encoder), **options}),
        train_dataset=conversations(DATASETS.build(config.train_dataloader.dataset), encoder),
        processing_class=encoder.processor,
        peft_config=lora and LoraConfig(**{'target_modules': encoder.family.lora_targets, **lora}),
    )


def save(trainer: GRPOTrainer, pretrained: str, folder: Path) -> None:
    """Write a model folder, adapters merged, that ``model.pretrained`` can name."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if trainer.is_world_process_zero():
        model = model.merge_and_unload() if hasattr(model, 'merge_and_unload') else model
        model.save_pretrained(folder)
        copy_companions(pretrained, folder)
        print(f'wrote {folder}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config', help='of stage 2')
    parser.add_argument('--work-dir', default='work_dirs/trl', help='default: %(default)s')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    check_folder('--work-dir', args.work_dir)
    config = read_config(args.config, args.cfg_options)
    print(f'starts from {config.model.pretrained}, without load_from={config.get("load_from")}')
    config.load_from = None
    check_numbers(config)
    check_inputs(config, ['train_dataloader'])
    trainer = build_trainer(config, args.work_dir)
    trainer.train()
    save(trainer, config.model.pretrained, Path(args.work_dir) / 'model')


if __name__ == '__main__':
    run_cli(main)
