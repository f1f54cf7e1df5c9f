"""What a config needs on each GPU, without weights, data or a GPU.

    python tools/analysis_tools/estimate_memory.py configs/focus_stage1.py --gpus 8 --gpu-memory 40
    python tools/analysis_tools/estimate_memory.py configs/focus_stage1_fsdp.py --gpus 8 --gpu-memory 80 \
        --cfg-options model.pretrained=checkpoints/Qwen2-VL-72B-Instruct

The model of true size runs one training step on torch's meta device, on
episodes as large as the config allows. Weights, gradients and optimizer states
are exact; the rest is what one step holds at its peak. Host memory is that of a
machine with all the GPUs while it loads. The last line is JSON in bytes. The
model folder is not needed where its name is a published one; images are made as
its published processor does, whatever the folder's preprocessor_config.json says.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import OPTIMIZERS
from torch import Tensor
from transformers import AutoModelForImageTextToText, DynamicCache

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import KeyValues, read_config, run_cli
from focus_mmdet.core.prefix import share_prefix
from focus_mmdet.core.token_budget import split_by_tokens
from focus_mmdet.datasets.transforms import ResizeToPixelBudget
from focus_mmdet.engine.launch import check_numbers
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.heads.attention_supervision import AttentionSupervision
from focus_mmdet.models.heads.vlm_head import VLMHead
from focus_mmdet.models.sizing.dry_run import DryRun, dry_episodes, dry_head, dry_image
from focus_mmdet.models.sizing.published_sizes import PUBLISHED, published_config
from focus_mmdet.models.vlm.families import VLMFamily
from focus_mmdet.models.vlm.model_folder import load_config
from focus_mmdet.type_name import type_name

#: Tokens of text an image and of an answer, as a tokenizer writes them that splits digits, rounded up.
TEXT, ANSWER = 62, 25
#: CUDA context, library workspaces and fragmentation: assumed, not computed.
RESERVE = int(2e9)
#: Tried in this order, alone, where a config does not fit.
CHANGES: list[dict[str, Any]] = [
    {
        'model.bbox_head.lora': dict(_delete_=True, r=8, lora_alpha=16),
        'model.bbox_head.freeze_vision': True,
        'model.bbox_head.dtype': 'bfloat16',
    },
    {'model.bbox_head.gradient_checkpointing': True},
    {'train_dataloader.batch_size': 1},
    {'train_cfg.max_tokens_per_pass': 1},
    {'train_cfg.num_generations': 2},
    {'max_pixels': 0.5},
    {'shots': 1},
    {'model.bbox_head.quantization': dict(load_in_4bit=True, bnb_4bit_use_double_quant=True)},
    {'model_wrapper_cfg': dict(type='FullyShardedModel')},
]


def find(node: Any, key: str) -> Iterator[dict]:
    """Every dict in a config that has ``key``."""
    if isinstance(node, dict):
        if key in node:
            yield node
        node = list(node.values())
    for child in node if isinstance(node, (list, tuple)) else []:
        yield from find(child, key)


def vlm_config(pretrained: str) -> Any:
    """Hugging Face config of a model folder, or of a published model of its name."""
    name = Path(str(pretrained)).name
    if name in PUBLISHED and not (Path(pretrained) / 'config.json').is_file():
        return published_config(name)
    return load_config(pretrained)


def check_trainable(config: Config) -> None:
    """Raise :class:`InputError` for what training would refuse."""
    check_numbers(config)
    if 'num_generations' in config.train_cfg:
        check_number('train_cfg.num_generations', config.train_cfg.num_generations, low=2, whole=True)
    for step in find(config.train_dataloader, 'shots'):
        for each in step['shots'] if isinstance(step['shots'], (list, tuple)) else [step['shots']]:
            check_number('episodes.shots', each, low=1, whole=True)
    for step in find(config.train_dataloader, 'max_pixels'):
        ResizeToPixelBudget(step['max_pixels'], step['multiple'])


def episode_size(config: Config, family: VLMFamily) -> dict[str, Any]:
    """Arguments of :func:`dry_episodes`: the largest that the training data can hold.

    Of images from squares to 16:9, those with the most visual tokens: where
    a processor cuts tiles, that is not a matter of pixels alone.
    """
    budgets = [
        (int(step['max_pixels']), int(step['multiple']))
        for step in find(config.train_dataloader, 'max_pixels')
    ]
    if not budgets:
        raise InputError('train_dataloader has no ResizeToPixelBudget: images of any size may come')
    budget, multiple = max(budgets)
    cells = max(1, budget // multiple**2)
    square = int(cells**0.5)
    widest = max(1, square * 3 // 4)
    step = max(1, (square - widest) // 8)
    shapes = [(cells // rows * multiple, rows * multiple) for rows in range(square, widest - 1, -step)]
    largest = max(shapes, key=lambda shape: len(dry_image(family, shape).places))
    shots = [step['shots'] for step in find(config.train_dataloader, 'shots')] or [1]
    most = max(max(each) if isinstance(each, (list, tuple)) else int(each) for each in shots)
    return dict(shots=most, size=largest, text=TEXT, answer=ANSWER)


def size(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def estimate(config: Config, gpus: int = 1) -> dict[str, int]:
    """Bytes on one GPU, by what they are for; ``total`` last."""
    vlm = vlm_config(config.model.get('pretrained'))
    options = {
        key: value
        for key, value in config.model.bbox_head.items()
        if key not in ('type', 'attn_implementation', 'quantization')
    }
    head = dry_head(vlm, **options).train()
    trained = [weight for weight in head.parameters() if weight.requires_grad]
    optimizer = build_optimizer(head, config.optim_wrapper.optimizer)
    episode = episode_size(config, head.vlm.family)
    stage2 = type_name(config.train_cfg) == 'GRPOTrainLoop'
    rows = {
        'weights': size([*head.parameters(), *head.buffers()])
        - size(trained)
        - saved_by_quantization(head, config.model.bbox_head.get('quantization')),
        'trained weights': size(trained),
        'gradients': size(trained),
        'gradient buckets of DDP': size(trained) if gpus > 1 else 0,
        'gathered for a moment': 0,
    }
    work = {}
    if stage2:
        rows['reference policy'] = size(trained) if config.train_cfg.get('beta') else 0
        work['rollout'] = rollout_peak(head, config, episode)
    parts = gpus if is_spread(config, gpus) else 1
    work['learning'] = learning_peak(head, optimizer, config, episode, stage2, parts)
    states = [value for state in optimizer.state.values() for value in state.values()]
    rows['optimizer states'] = size(state for state in states if state.dim())
    if parts > 1:
        keep = not config.model_wrapper_cfg.get('reshard_after_forward', True)
        rows = sharded(rows, gpus, gathered_at_once(head, keep))
    rows['reserve (assumed)'] = RESERVE
    return {**rows, **work, 'total': sum(rows.values()) + max(work.values())}


def is_spread(config: Config, gpus: int) -> bool:
    """Are the weights spread over the GPUs?"""
    return gpus > 1 and type_name(config.get('model_wrapper_cfg')) == 'FullyShardedModel'


def host_memory(config: Config, gpus: int = 1) -> dict[str, int]:
    """Bytes of a machine's own memory that loading the weights for its ``gpus`` takes.

    Files are mapped: their pages are shared by all processes, and given back
    where memory is short. Weights of another type than their file's are a copy
    in each process, unless they are spread or quantized one by one.
    """
    vlm = vlm_config(config.model.get('pretrained'))
    stored = vlm.dtype or torch.bfloat16  # as all published ones are
    wanted = getattr(torch, config.model.bbox_head.get('dtype', 'float32'))
    with torch.device('meta'):
        count = sum(weight.numel() for weight in AutoModelForImageTextToText.from_config(vlm).parameters())
    one_by_one = is_spread(config, gpus) or config.model.bbox_head.get('quantization')
    copies = 0 if wanted == stored or one_by_one else gpus
    return {
        'host: weight files, mapped once for all': count * stored.itemsize,
        'host: copies in another type': copies * count * wanted.itemsize,
    }


def build_optimizer(head: VLMHead, options: Any) -> Any:
    """The config's, in its fastest form."""
    named = [pair for pair in head.named_parameters() if pair[1].requires_grad]
    fast = 'foreach' in signature(OPTIMIZERS.get(options['type'])).parameters
    return OPTIMIZERS.build({**({'foreach': True} if fast else {}), **options, 'params': named})


def sharded(rows: dict[str, int], gpus: int, gathered: int) -> dict[str, int]:
    """What a GPU holds of them, and what it gathers from the others."""
    spread = {name: -(-value // gpus) for name, value in rows.items()}
    return {**spread, 'gradient buckets of DDP': 0, 'gathered for a moment': gathered}


def gathered_at_once(head: VLMHead, keep: bool) -> int:
    """Bytes of weights, and of gradients that have not been summed up yet.

    Weights outside the blocks are gathered twice, as sent and as used, and so
    is one block while the next is on its way; or all are kept.
    """
    blocks = [list(part.parameters()) for part in head.vlm.blocks]
    inside = {id(weight) for block in blocks for weight in block}
    outside = [weight for weight in head.parameters() if id(weight) not in inside]
    largest = max(size(block) for block in blocks)
    gradients = max(size(weight for weight in group if weight.requires_grad) for group in [outside, *blocks])
    weights = size(head.parameters()) if keep else size(outside) + largest
    return weights + size(outside) + largest + 2 * gradients


def saved_by_quantization(head: VLMHead, options: dict | None) -> int:
    """Bytes by which bitsandbytes makes the layers under the adapters smaller."""
    if not options:
        return 0
    # 4 bit, and a scale for each block of 64 weights: a float, or a byte and its own scale.
    scales = (1 + 4 / 256) / 64 if options.get('bnb_4bit_use_double_quant') else 4 / 64
    each = 0.5 + scales if options.get('load_in_4bit') else 1.0
    layers = [weight for name, weight in head.named_parameters() if name.endswith('.base_layer.weight')]
    return size(layers) - int(sum(weight.numel() for weight in layers) * each)


def learning_peak(
    head: VLMHead, optimizer: Any, config: Config, episode: dict, stage2: bool, parts: int
) -> int:
    """Bytes that forward, backward and update need above all that stays; a GPU updates one of ``parts``."""
    episodes = int(config.train_dataloader.batch_size)
    hooks = [
        hook for hook in config.get('custom_hooks') or [] if type_name(hook) == 'AttentionSupervisionHook'
    ]
    known = set(AttentionSupervision.__dataclass_fields__) - {'columns'}
    head.attention_supervision = tuple(
        AttentionSupervision(**{key: value for key, value in hook.items() if key in known}) for hook in hooks
    )
    batch = dry_episodes(head.vlm.family, episodes, **episode)
    answers = _answers(config, episodes) if stage2 else []
    limit = config.train_cfg.get('max_tokens_per_pass')
    if limit is not None:
        lengths = [sum(len(answer) for answer in group) for group in answers]
        start, stop = split_by_tokens([len(ids) for ids in batch.prompt_ids], lengths, limit)[0]
        batch, answers = batch.select(start, stop), answers[start:stop]
    with DryRun([*head.parameters(), *head.buffers(), *pixels(batch)]) as run:
        for _ in range(2):  # the first makes gradients and optimizer states
            before = run.peak = run.live
            batch.features = None
            _loss(head, batch, answers).backward()
            passes = run.peak - before
            run.peak = run.live
            optimizer.step()
            update = (run.peak - before) // parts
    return int(max(passes, update)) + size(pixels(batch))


def pixels(batch: EpisodeBatch) -> list[Tensor]:
    """Of every image, on the meta device."""
    return [tensor for image in batch.vision for tensor in image.values() if tensor.is_meta]


def _loss(head: VLMHead, batch: EpisodeBatch, answers: list[list[Tensor]]) -> Tensor:
    """Of stage 2 where there are ``answers``."""
    if answers:
        shared = share_prefix(batch.prompt_ids, answers, pad_id=0)
        return head.answer_logps(batch, shared, temperature=1.0)[0].mean()
    losses = head.loss(batch, pad_id=0)
    return torch.stack([value for name, value in losses.items() if 'loss' in name]).sum()


@torch.no_grad()
def rollout_peak(head: VLMHead, config: Config, episode: dict) -> int:
    """Bytes of prefill and decoding: vision, activations and the cache of every answer."""
    count, longest = int(config.train_cfg.num_generations), int(config.train_cfg.max_completion_length)
    batch = dry_episodes(head.vlm.family, int(config.train_dataloader.batch_size), **episode)
    ids = torch.stack(batch.prompt_ids)
    mask = torch.ones_like(ids)
    head.eval()
    with DryRun([*head.parameters(), *head.buffers()]) as run:
        before = run.live
        positions, _ = head.vlm.prompt_positions(ids, mask, batch.vision)
        cache = DynamicCache(config=head.vlm.model.config.get_text_config())
        head.vlm(ids, mask, positions, head.vlm.image_features(batch), cache=cache)
        cache.batch_repeat_interleave(count)
        full = size(tensor for layer in cache.layers for tensor in (layer.keys, layer.values))
    head.train()
    growth = full * longest // ids.shape[1]
    return max(run.peak, run.live + growth) - before + size(pixels(batch))


def _answers(config: Config, episodes: int) -> list[list[Tensor]]:
    answer = torch.zeros(int(config.train_cfg.max_completion_length)).long()
    return [[answer] * int(config.train_cfg.num_generations)] * episodes


def changed(config: Config, change: dict[str, Any], gpus: int) -> Config | None:
    """A copy with one change, or None where it is no change."""
    copy = Config(config.to_dict())
    (key, value), *_ = change.items()
    sharding = key == 'model_wrapper_cfg'
    # Quantized weights are not sharded.
    other = copy.model.bbox_head.get('quantization') if sharding else copy.get('model_wrapper_cfg')
    if (sharding and gpus == 1) or (other and (sharding or key.endswith('quantization'))):
        return None
    adapters = bool(copy.model.bbox_head.get('lora'))
    useless = adapters if key.endswith('lora') else key.endswith('quantization') and not adapters
    other_stage = key.startswith('train_cfg.') and type_name(copy.train_cfg) != 'GRPOTrainLoop'
    if useless or other_stage:
        return None
    if key in ('max_pixels', 'shots'):
        for step in find(copy.train_dataloader, key):
            step[key] = int(step[key] * value) if key == 'max_pixels' else value
    else:
        copy.merge_from_dict(change)
    return None if copy.to_dict() == config.to_dict() else copy


def suggest(config: Config, gpus: int, total: int, room: float) -> Iterator[str]:
    """What each single change would bring, and whether that is enough."""
    for change in CHANGES:
        copy = changed(config, change, gpus)
        if copy is None:
            continue
        less = estimate(copy, gpus)['total']
        (key, value), *_ = change.items()
        what = {
            'max_pixels': 'half of ResizeToPixelBudget.max_pixels',
            'shots': 'shots=1 of the dataset',
            'model.bbox_head.lora': 'lora, freeze_vision, dtype of focus_stage1.py',
            'model.bbox_head.quantization': 'configs/ablations/qlora.py: 4-bit weights',
            'model_wrapper_cfg': 'configs/focus_stage1_fsdp.py: spread over the GPUs',
        }
        if less < total:
            enough = 'fits' if less <= room else 'still too much'
            yield f'  {what.get(key, f"{key}={value}"):<48}{less / 1e9:9.2f} GB  {enough}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--gpus', type=int, default=1)
    parser.add_argument(
        '--gpu-memory', type=float, help='GB of each; says what to change where it is too little'
    )
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    config = read_config(args.config, args.cfg_options)
    check_number('--gpus', args.gpus, low=1, whole=True)
    if args.gpu_memory is not None:
        check_number('--gpu-memory', args.gpu_memory, low=0)
    if type_name(config.model) != 'FocusDetector':
        raise InputError(
            f'{args.config}: {type_name(config.model)} does not train; give a config of FocusDetector'
        )
    check_trainable(config)
    rows = estimate(config, args.gpus)
    host = host_memory(config, args.gpus)
    for name, value in rows.items():
        print(f'{name:<50}{value / 1e9:9.2f} GB')
    if 'rollout' in rows:
        print('(rollout and learning follow each other: the larger one counts)')
    if args.gpu_memory is not None and rows['total'] > args.gpu_memory * 1e9:
        print(f'does not fit into {args.gpu_memory} GB. With one change (--cfg-options, or in the config):')
        lines = list(suggest(config, args.gpus, rows['total'], args.gpu_memory * 1e9))
        if not any(line.endswith('fits') for line in lines):
            lines.append(
                '  no single change is enough: combine some, or take a smaller model or a larger GPU'
            )
        print('\n'.join(lines))
    for name, value in host.items():
        print(f'{name:<50}{value / 1e9:9.2f} GB')
    print(json.dumps({**rows, **host}))


if __name__ == '__main__':
    run_cli(main)
