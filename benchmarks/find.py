"""What does a query cost once its supports are remembered?

    python benchmarks/find.py                            # a FastVLM of width 128, 256 tokens an image
    python benchmarks/find.py --width 512                # a wider one
    python benchmarks/find.py --model small --side 320   # the small model: 100 tokens an image
    python benchmarks/find.py --model 7b --side 532      # true 7B sizes, on a GPU

Queries of one size are asked at 4 supports, by four ways: the query alone (no supports: the least that
can be), after remembered supports, in batches of these, and with the supports read each time. Each begins
with pixels in memory and ends with a box. Ways take turns, and the quickest of --repeat rounds counts; on a
CPU these are the seconds that it worked. Images are noise and weights random, and answers are kept as long as
real ones mostly are. Then: the memory of a reference, how a folder of photographs keeps up, and the first
answer of a fresh process, from the command line to the box, of the embedded model.

The last line is JSON: ratios of the same run.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from grpo_step import build_folder
from metering import clock, device_name
from mmengine.config import Config
from PIL import Image

from focus_mmdet.apis import InContextInferencer, Reference
from focus_mmdet.apis.answers.answerer import Asked
from focus_mmdet.apis.inputs.images import record_of
from focus_mmdet.errors import check_number
from focus_mmdet.models.sizing.small import build_small_vlm
from focus_mmdet.models.sizing.tiny import TINY_FAMILIES, build_tiny_vlm
from focus_mmdet.models.vlm.known_prefix import KnownPrefix

SHOTS = 4
FIRST = """
from focus_mmdet.apis import InContextInferencer
find = InContextInferencer('configs/focus_tiny_stage2.py', device='cpu')
photo = 'data/realset/images/duck_toy_00000.jpg'
find([photo], find.remember([(photo, (126, 106, 373, 354))]))
"""


def build(args: argparse.Namespace, folder: str) -> InContextInferencer:
    """The model, with random weights."""
    config = Config.fromfile('configs/focus_tiny_stage2.py')
    if args.model == '7b':
        build_folder('7b', folder)
        config.model.bbox_head.update(load_weights=False, dtype='bfloat16')
    elif args.model == 'small':
        pictures = sorted(Path('data/realset/images').glob('duck_toy_*.jpg'))
        build_small_vlm(folder, 'checkpoints/focus-small', pictures, args.width)
    else:
        build_tiny_vlm(folder, args.family, args.width, layers=6, vision=96)
        if args.family == 'fast_vlm':
            see_all(Path(folder), args.side)
    config.model.pretrained = folder
    multiple = 28 if args.model == '7b' else 16
    config.inference_pipeline[0].transforms[-1].update(max_pixels=args.side**2, multiple=multiple)
    with torch.device(args.device):
        find = InContextInferencer(config, device=args.device)
    write_whole_numbers(find)
    return find


def write_whole_numbers(find: InContextInferencer) -> None:
    """Have answers as long as real ones mostly are: random weights might write [0, 0, 0, 0]."""
    speech, head = find.model.data_preprocessor.encoder, find.model.bbox_head
    grammar = head._answer_grammar(speech)
    digits = speech.tokenizer.convert_tokens_to_ids(list('123456789'))
    others = torch.ones_like(grammar.allowed[0])
    others[digits] = False
    grammar.allowed[grammar.allowed[:, digits].any(1)[:, None] & others] = False


def see_all(folder: Path, side: int) -> None:
    """Have a tiny FastVLM's processor make squares of ``side`` pixels."""
    file = folder / 'preprocessor_config.json'
    options = json.loads(file.read_text())
    options.update(size={'shortest_edge': side}, crop_size={'height': side, 'width': side})
    file.write_text(json.dumps(options))


def noise(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side, 3) uint8 of coloured blocks."""
    blocks = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(blocks).resize((side, side), Image.Resampling.NEAREST))


def whole(find: InContextInferencer, query: np.ndarray, reference: Reference | None) -> Any:
    """An answer that reads the supports with the query, or without any."""
    speech, head = find.model.data_preprocessor, find.model.bbox_head
    packed = find.answerer.pipeline({**record_of(query, ''), 'supports': []})
    images, sample = packed['inputs'], packed['data_samples']
    if reference is not None:
        known = find.answerer.know(reference)
        images, sample.supports = [*known.images, *images], known.samples
    with torch.no_grad():
        batch = speech({'inputs': [images], 'data_samples': [sample]})['inputs']
        return head.predict(batch, [sample], speech.encoder)


def remembered(find: InContextInferencer, queries: list[np.ndarray], reference: Reference) -> Any:
    """Answers that read the queries alone."""
    return find.answerer.answer(reference, Asked([find.answerer.prepare(query) for query in queries]))


def seconds(device: str, ways: dict[str, Callable[[], Any]], repeat: int) -> dict[str, float]:
    """Of each way, its quickest round."""
    read, best = clock(device), dict.fromkeys(ways, float('inf'))
    for turn in range(repeat + 1):
        for name, way in ways.items():
            started = read()
            way()
            if device == 'cuda':
                torch.cuda.synchronize()
            if turn:  # The first round warms up.
                best[name] = min(best[name], read() - started)
    return best


def reading_share(
    find: InContextInferencer, reference: Reference, folder: Path, count: int, device: str
) -> float:
    """Seconds of a folder of 12-megapixel JPEGs over those of the same queries as the model takes them."""
    read, rng, size = clock(device), np.random.default_rng(1), (4000, 3000)
    photo = Image.fromarray(noise(rng, 64)).resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(photo)
    for index in range(count):
        photo.save(folder / f'{index}.jpg', quality=90)
    prepared = find.answerer.prepare(pixels)
    started = read()
    for _ in range(count):
        find.answerer.answer(reference, Asked([prepared]))
    in_memory = read() - started
    started = read()
    for _ in find.stream(folder, reference):
        pass
    return (read() - started) / in_memory


def first_answer() -> float:
    """Seconds from starting Python to the first answer, CPU time of the process."""
    code = f'import time\n{FIRST}\nprint(time.process_time())'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--family', choices=TINY_FAMILIES, default='fast_vlm')
    parser.add_argument('--model', choices=['tiny', 'small', '7b'], default='tiny', help='7b is Qwen2-VL')
    parser.add_argument('--width', type=int, default=128, help='of the decoder: default %(default)s')
    parser.add_argument('--side', type=int, default=256, help='pixels of an image: default %(default)s')
    parser.add_argument('--queries', type=int, default=16)
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument('--photos', type=int, default=4, help='0 leaves these and the fresh process out')
    args = parser.parse_args()
    check_number('--repeat', args.repeat, low=1, whole=True)
    args.device = 'cuda' if torch.cuda.is_available() else 'cpu'
    torch.manual_seed(0)
    if args.device == 'cpu':
        torch.set_num_threads(1)
    rng, box = np.random.default_rng(0), (args.side / 4, args.side / 4, args.side / 2, args.side / 2)
    with tempfile.TemporaryDirectory() as folder:
        find = build(args, f'{folder}/model')
        reference = find.remember([(noise(rng, args.side), box) for _ in range(SHOTS)])
        asked = [noise(rng, args.side) for _ in range(args.queries)]
        prefix = find.answerer.know(reference).kept
        if not isinstance(prefix, KnownPrefix):
            raise SystemExit('this model does not keep its supports')
        ways = {
            'query alone': lambda: [whole(find, query, None) for query in asked],
            'supports remembered': lambda: [remembered(find, [query], reference) for query in asked],
            f'in batches of {args.queries}': lambda: remembered(find, asked, reference),
            'supports read again': lambda: [whole(find, query, reference) for query in asked],
        }
        taken = list(seconds(args.device, ways, args.repeat).values())
        for name, total in zip(ways, taken, strict=True):
            print(f'{name:>24}{1000 * total / len(asked):>10.1f} ms a query')
        photos = Path(folder) / 'photos'
        photos.mkdir()
        share = reading_share(find, reference, photos, args.photos, args.device) if args.photos else 0.0
    figures = {
        'cached_over_query_alone': round(taken[1] / taken[0], 3),
        'speedup_over_reencoding': round(taken[3] / taken[1], 3),
        'queries_per_second_batched_over_single': round(taken[1] / taken[2], 3),
        'batched_speedup_over_reencoding': round(taken[3] / taken[2], 3),
        'queries_per_second_batched': round(args.queries / taken[2], 2),
        'supports_tokens': prefix.length,
        'reference_bytes_per_token': round(prefix.bytes / prefix.length),
    }
    if args.photos:
        figures['folder_over_memory'] = round(share, 3)
        figures['first_answer_seconds'] = round(first_answer(), 2)
    for name, figure in figures.items():
        print(f'{name:>40}{figure:>10}')
    print(json.dumps({**figures, 'device': device_name(args.device)}))


if __name__ == '__main__':
    main()
