"""What attention supervision costs: plain SFT, ours, and eager T x T maps.

    python benchmarks/attention_supervision.py                  # a small model on the CPU
    python benchmarks/attention_supervision.py --model 7b       # true 7B sizes, needs a GPU

All variants take the same training step (forward, backward, AdamW on LoRA) on
the same random 4-shot episode, in turns; the table has median seconds and peak
memory above the model's own. Weights are random: speed and memory do not
depend on them. With --varying no two steps have the same length, as in
training; lengths are drawn between half and all of --tokens. The last line is
JSON for the longest sequence.
"""

import argparse
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2VLConfig

import focus_mmdet  # noqa: F401  loads mmdet with its stand-in
from focus_mmdet.core.places import grid_places
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.heads.attention_supervision import AttentionSupervision
from focus_mmdet.models.heads.vlm_head import VLMHead
from focus_mmdet.models.sizing.published_sizes import published_config
from focus_mmdet.models.vlm.vlm import given_features

VARIANTS = ('plain', 'ours', 'eager')
SHOTS, MARKED, ANSWER = 4, 15, 25
IMAGE, TEXT = 5, 10  # token ids: a visual token, any text token
MODELS = ('small', '7b')


def config(model: str) -> Qwen2VLConfig:
    """Qwen2-VL of true or small sizes."""
    if model == '7b':
        return published_config('Qwen2-VL-7B-Instruct', image_token_id=IMAGE)
    return Qwen2VLConfig(
        text_config=dict(
            vocab_size=1024,
            hidden_size=256,
            intermediate_size=1024,
            num_hidden_layers=6,
            num_attention_heads=8,
            num_key_value_heads=2,
            rope_parameters=dict(rope_type='default', rope_theta=1e6, mrope_section=[4, 6, 6]),
        ),
        vision_config=dict(embed_dim=64, depth=2, num_heads=2, hidden_size=256, patch_size=14),
        image_token_id=IMAGE,
    )


def build_head(model: str, device: str) -> VLMHead:
    """The head of the 7B configs, with random weights."""
    with tempfile.TemporaryDirectory() as folder, torch.device(device):
        config(model).save_pretrained(folder)
        head = VLMHead(
            folder,
            dtype='bfloat16' if device == 'cuda' else 'float32',
            lora=dict(r=8, lora_alpha=16),
            gradient_checkpointing=model == '7b',
            load_weights=False,
        )
    return head.to(device).train()


def build_episode(tokens: int, device: str, opening: int = 60) -> EpisodeBatch:
    """One random 4-shot episode of about ``tokens`` tokens, ``opening`` of them before the images."""
    per_image = (tokens - 300) // (SHOTS + 1)
    side = max(1, round(per_image**0.5))
    patches = 4 * side * side
    pieces, marks = [torch.full((opening,), TEXT)], [torch.zeros(opening, dtype=torch.bool)]
    for index in range(SHOTS + 1):
        text = torch.full((40,), TEXT)
        marked = torch.zeros(side * side + 40, dtype=torch.bool)
        if index < SHOTS:
            marked[-MARKED - 5 : -5] = True
        pieces += [torch.full((side * side,), IMAGE), text]
        marks.append(marked)
    prompt = torch.cat(pieces)
    stop = len(prompt) - 40
    query = torch.zeros(len(prompt), dtype=torch.bool)
    query[stop - side * side : stop] = True
    batch = EpisodeBatch(
        prompt_ids=[prompt],
        answer_ids=[torch.full((ANSWER,), TEXT)],
        vision=[
            dict(
                pixel_values=torch.randn(patches, 3 * 2 * 14 * 14),
                image_grid_thw=torch.tensor([[1, 2 * side, 2 * side]]),
            )
            for _ in range(SHOTS + 1)
        ],
        places=[grid_places(side, side)] * (SHOTS + 1),
        frames=[SHOTS + 1],
        marks={'box_text': [torch.cat(marks)], 'query_image': [query]},
        query_rows=[(stop - side * side, stop)],
        cells=torch.tensor([[1000, 1000]]),
        targets=None,
        language=('', False),
        openings=[1],
        image_spans=[[]],
        box_ends=[[]],
        regions=[[]],
    )
    return batch.to(device)


def eager_losses(head: VLMHead, batch: EpisodeBatch) -> torch.Tensor:
    """The same loss from the maps that eager attention returns, all kept."""
    vlm, settings = head.vlm, AttentionSupervision()
    assert batch.answer_ids is not None
    ids = torch.cat([batch.prompt_ids[0], batch.answer_ids[0]])[None]
    mask = torch.ones_like(ids)
    positions, _ = vlm.prompt_positions(ids, mask, batch.vision)
    joined = vlm.family.joined_features(vlm.image_features(batch))
    with given_features(vlm.model.model, joined) as images:
        output = vlm.model.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            output_attentions=True,
            use_cache=False,
            **images,
        )
    start = len(batch.prompt_ids[0]) - 1
    logits = vlm.model.get_output_embeddings()(output.last_hidden_state[0, start : start + ANSWER]).float()
    rows = torch.stack(output.attentions).float().mean((0, 2))[0, slice(*batch.query_rows[0])]
    marks = torch.nn.functional.pad(batch.marks['box_text'][0].float(), (0, ANSWER))
    gap = (rows * marks).sum(-1) / marks.sum() - (rows * (1 - marks)).sum(-1) / (1 - marks).sum()
    attention = (settings.margin - gap).clamp(min=0).square().mean()
    return torch.nn.functional.cross_entropy(logits, batch.answer_ids[0]) + settings.weight * attention


def make_step(head: VLMHead, variant: str) -> Callable[[EpisodeBatch], None]:
    """One optimizer step of a variant on a batch."""
    optimizer = torch.optim.AdamW([weight for weight in head.parameters() if weight.requires_grad], lr=1e-5)

    def step(batch: EpisodeBatch) -> None:
        batch.features = None
        head.attention_supervision = (AttentionSupervision(),) if variant == 'ours' else ()
        backend = 'eager' if variant == 'eager' else 'focus_sdpa'
        head.vlm.model.set_attn_implementation({'text_config': backend})
        if variant == 'eager':
            loss = eager_losses(head, batch)
        else:
            losses = head.loss(batch, pad_id=0)
            loss = sum(
                (value for name, value in losses.items() if 'loss' in name),
                torch.zeros(()).to(batch.cells.device),
            )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if batch.cells.is_cuda:
            torch.cuda.synchronize()

    return step


def peak_on_cuda(step: Callable[[EpisodeBatch], None], batch: EpisodeBatch) -> float:
    """Peak bytes above what is allocated between steps."""
    step(batch)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step(batch)
    return float(torch.cuda.max_memory_allocated() - before)


def _peak_in_process(model: str, tokens: int, variant: str, answer: Any) -> None:
    torch.set_num_threads(1)
    head, batch = build_head(model, 'cpu'), build_episode(tokens, 'cpu')
    step = make_step(head, variant)
    Path('/proc/self/clear_refs').write_text('5')  # the peak starts anew from what is resident
    before = _status('VmRSS')
    step(batch)
    answer.put(_status('VmHWM') - before)


def _status(field: str) -> float:
    """Bytes of a field in /proc/self/status."""
    line = next(line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith(field))
    return float(line.split()[1]) * 1024


def peak_on_cpu(model: str, tokens: int, variant: str) -> float:
    """Growth of a fresh process's peak memory over one step, in bytes."""
    context = multiprocessing.get_context('spawn')
    answer = context.Queue()
    process = context.Process(target=_peak_in_process, args=(model, tokens, variant, answer))
    process.start()
    peak = float(answer.get())
    process.join()
    return peak


def episodes(tokens: int, count: int, varying: bool, device: str) -> Iterator[EpisodeBatch]:
    """Those of ``count`` steps."""
    draw = random.Random(0)
    for number in range(count):
        if varying:
            # Images are square: without the rest, some lengths would come twice.
            yield build_episode(draw.randint(tokens // 2, tokens), device, 60 + number)
        else:
            yield build_episode(tokens, device)


def measure(
    head: VLMHead, model: str, tokens: int, variants: list[str], repeats: int, varying: bool
) -> dict[str, Any]:
    """Median seconds of each variant, and peak bytes at the full length."""
    device = str(head.vlm.device.type)
    batch = build_episode(tokens, device)
    steps = {variant: make_step(head, variant) for variant in variants}
    seconds: dict[str, list[float]] = {variant: [] for variant in variants}
    row: dict[str, Any] = {'tokens': len(batch.prompt_ids[0]) + ANSWER}
    for episode in episodes(tokens, repeats + 1, varying, device):
        for variant, step in list(steps.items()):
            try:
                started = time.perf_counter()
                step(episode)
                seconds[variant].append(time.perf_counter() - started)
            except torch.cuda.OutOfMemoryError:
                del steps[variant], seconds[variant]
                torch.cuda.empty_cache()
    for variant, step in list(steps.items()):
        try:
            peak = peak_on_cuda(step, batch) if device == 'cuda' else peak_on_cpu(model, tokens, variant)
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            continue
        row[variant] = (statistics.median(seconds[variant][1:]), peak)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--model', choices=MODELS, default='small')
    parser.add_argument('--tokens', type=int, nargs='+', help='default: 600 2000 (small), 2000 15000 (7b)')
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--varying', action='store_true', help='another length in each step')
    parser.add_argument('--no-eager', action='store_true', help='leave the eager maps out')
    args = parser.parse_args()
    device = 'cuda' if torch.cuda.is_available() and args.model == '7b' else 'cpu'
    if args.model == '7b' and device == 'cpu':
        parser.error('--model 7b needs a GPU')
    lengths = args.tokens or ([2000, 15000] if args.model == '7b' else [600, 2000])
    variants = [variant for variant in VARIANTS if not (args.no_eager and variant == 'eager')]
    torch.manual_seed(0)
    head = build_head(args.model, device)
    name = torch.cuda.get_device_name() if device == 'cuda' else f'cpu, {torch.get_num_threads()} threads'
    shown = f'{SHOTS} shots, LoRA r 8' + (', varying lengths' if args.varying else '')
    print(f'{args.model} model, {name}, {shown}; seconds a step | peak MB (ratio to plain)')
    print(f'{"tokens":>7}' + ''.join(f'{variant:>32}' for variant in variants))
    ratios: dict[str, Any] = {}
    for tokens in lengths:
        row = measure(head, args.model, tokens, variants, args.repeats, args.varying)
        cells, ratios = '', {'tokens': row['tokens']}
        for variant in variants:
            if variant not in row:
                cells += f'{"out of memory":>32}'
                continue
            time_ratio, memory_ratio = (a / b for a, b in zip(row[variant], row['plain'], strict=True))
            seconds, peak = row[variant]
            cells += f'{f"{seconds:.3f} ({time_ratio:.2f}) | {peak / 2**20:.0f} ({memory_ratio:.2f})":>32}'
            prefix = {'ours': '', 'eager': 'eager_'}.get(variant)
            if prefix is not None:
                ratios[f'{prefix}time_ratio'] = round(time_ratio, 3)
                ratios[f'{prefix}memory_ratio'] = round(memory_ratio, 3)
        print(f'{row["tokens"]:>7}{cells}', flush=True)
    if device == 'cuda':
        ratios['model_gb'] = round(torch.cuda.memory_allocated() / 1e9, 2)
        print(f'peaks are above the {ratios["model_gb"]} GB of the model and its optimizer')
    print(json.dumps({**ratios, 'varying': args.varying, 'device': name}))


if __name__ == '__main__':
    main()
