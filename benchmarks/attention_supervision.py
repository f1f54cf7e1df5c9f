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
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import torch
from metering import clock, device_name, free_at_once, in_fresh_process, metered
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
    side = round(max(1, (tokens - 300) / (SHOTS + 1)) ** 0.5)
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
        support_boxes=[[]],
        edges=[[]],
        coordinates=None,
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


def peak(step: Callable[[EpisodeBatch], None], batch: EpisodeBatch) -> float:
    """Bytes that a step holds above what is there between steps."""
    measured: list[tuple[float, float]] = []
    with metered(batch.cells.device.type, measured):
        step(batch)
    return measured[0][1]


def peak_on_cpu(model: str, tokens: int, variant: str) -> float:
    """Of a second step; for a process of its own."""
    torch.set_num_threads(1)
    free_at_once()
    step, batch = make_step(build_head(model, 'cpu'), variant), build_episode(tokens, 'cpu')
    step(batch)
    return peak(step, batch)


def episodes(tokens: int, count: int, varying: bool, device: str) -> Iterator[EpisodeBatch]:
    """Those of ``count`` steps."""
    draw = random.Random(0)
    for number in range(count):
        if varying:
            # Images are square: without the rest, some lengths would come twice.
            yield build_episode(draw.randint(tokens // 2, tokens), device, 60 + number)
        else:
            yield build_episode(tokens, device)


def seconds_of(
    steps: dict[str, Callable[[EpisodeBatch], None]], batches: Iterator[EpisodeBatch], device: str
) -> dict[str, float]:
    """Median of each variant, in turns; what runs out of memory is left out of ``steps`` too."""
    seconds: dict[str, list[float]] = {variant: [] for variant in steps}
    read = clock(device)
    for batch in batches:
        for variant, step in list(steps.items()):
            try:
                started = read()
                step(batch)
                seconds[variant].append(read() - started)
            except torch.cuda.OutOfMemoryError:
                del steps[variant]
                torch.cuda.empty_cache()
    return {variant: statistics.median(seconds[variant][1:]) for variant in steps}


def peaks_on_cuda(steps: dict[str, Callable[[EpisodeBatch], None]], batch: EpisodeBatch) -> dict[str, float]:
    """Of each variant that has run before, its optimizer's states being there; else as in seconds_of."""
    peaks = {}
    for variant, step in list(steps.items()):
        torch.cuda.empty_cache()
        try:
            peaks[variant] = peak(step, batch)
        except torch.cuda.OutOfMemoryError:
            del steps[variant]
    return peaks


def row_text(row: dict[str, Any], variants: list[str]) -> str:
    """Of the table."""
    cells = ''
    for variant in variants:
        if variant not in row:
            cells += f'{"out of memory":>32}'
            continue
        (seconds, memory), plain = row[variant].values(), row['plain']
        time_ratio, memory_ratio = seconds / plain['seconds'], memory / plain['gb']
        cells += (
            f'{f"{seconds:.3f} ({time_ratio:.2f}) | {memory * 1e9 / 2**20:.0f} ({memory_ratio:.2f})":>32}'
        )
    return f'{row["tokens"]:>7}{cells}'


def ratios(row: dict[str, Any]) -> dict[str, Any]:
    """To plain fine-tuning."""
    found: dict[str, Any] = {'tokens': row['tokens']}
    for variant, prefix in (('ours', ''), ('eager', 'eager_')):
        if variant in row:
            found[f'{prefix}time_ratio'] = round(row[variant]['seconds'] / row['plain']['seconds'], 3)
            found[f'{prefix}memory_ratio'] = round(row[variant]['gb'] / row['plain']['gb'], 3)
    return found


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
    peaks: dict[int, dict[str, float]] = {}
    if device == 'cpu':  # first: see in_fresh_process
        peaks = {
            tokens: {each: in_fresh_process(peak_on_cpu, args.model, tokens, each) for each in variants}
            for tokens in lengths
        }
    torch.manual_seed(0)
    head = build_head(args.model, device)
    shown = f'{SHOTS} shots, LoRA r 8' + (', varying lengths' if args.varying else '')
    print(f'{args.model} model, {device_name(device)}, {shown}; seconds a step | peak MB (ratio to plain)')
    print(f'{"tokens":>7}' + ''.join(f'{variant:>32}' for variant in variants))
    rows: list[dict[str, Any]] = []
    for tokens in lengths:
        steps = {variant: make_step(head, variant) for variant in variants}
        seconds = seconds_of(steps, episodes(tokens, args.repeats + 1, args.varying, device), device)
        batch = build_episode(tokens, device)
        memory = peaks_on_cuda(steps, batch) if device == 'cuda' else peaks[tokens]
        rows.append(
            {each: {'seconds': seconds[each], 'gb': memory[each] / 1e9} for each in steps}
            | {'tokens': len(batch.prompt_ids[0]) + ANSWER}
        )
        print(row_text(rows[-1], variants), flush=True)
    figures = {**ratios(rows[-1]), 'lengths': rows, 'varying': args.varying, 'device': device_name(device)}
    if device == 'cuda':
        del steps, batch
        figures['model_gb'] = round(torch.cuda.memory_allocated() / 1e9, 2)
        figures['whole_gb'] = figures['model_gb'] + rows[-1]['ours']['gb']
        print(f'peaks are above the {figures["model_gb"]} GB of the model and its optimizer')
    print(json.dumps(figures))


if __name__ == '__main__':
    main()
