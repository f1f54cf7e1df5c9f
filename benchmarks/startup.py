"""How long does a dataset take to start, and what does it keep in memory?

    python benchmarks/startup.py                                   # 10^5 and 10^6 annotations, some minutes
    python benchmarks/startup.py --annotations 20000 --repeat 1

Two kinds of annotation files, as the converters write them: videos of one object
and 100 frames, of which UniformSpanEpisodes takes five, and photographs of seven
boxes each, every one an object (COCO by crops). Each is read by json.load alone,
by EpisodeDataset without its cache, with an empty cache (first start) and with a
full one (later starts), in a fork of its own each time. The quickest of --repeat
times counts; beside other work, compare its CPU seconds. Memory is how much the
resident set grows, at its peak and until the dataset is there.

The images are JPEGs of the sizes in the records, eight different files under as many
names as there are frames: hard links of the photographs, symbolic links of whole
folders for the videos. So opening each name is measured, from the operating system's
cache; a disk or a network adds its own time to the first start, and nothing to later ones.

The last line is JSON: ratios to json.load of the same file in the same run, and
bytes an episode.
"""

import argparse
import gc
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.registry import init_default_scope
from PIL import Image

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.datasets import EpisodeDataset
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.errors import check_number
from focus_mmdet.progress import progress

FRAMES, BOXES, PICTURES = 100, 7, 8
SAMPLERS = {
    'video': dict(type='UniformSpanEpisodes', shots=4),
    'crops': dict(type='SameImageEpisodes', shots=4),
}
SIZES = {'video': (1280, 720), 'crops': (640, 480)}


class Start(NamedTuple):
    """One start: seconds by the wall and of CPU, and bytes of memory: at most, in the end, and in columns."""

    seconds: float
    cpu: float
    peak: float
    kept: float
    columns: float
    episodes: int


def write_pictures(folder: Path, size: tuple[int, int]) -> list[Path]:
    """JPEGs of random blocks."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    paths = [folder / f'{number}.jpg' for number in range(PICTURES)]
    for path in paths:
        blocks = Image.fromarray(rng.integers(0, 256, (9, 16, 3), dtype=np.uint8))
        blocks.resize(size, Image.Resampling.NEAREST).save(path, quality=90)
    return paths


def box(rng: np.random.Generator, size: tuple[int, int]) -> list[float]:
    """(x, y, w, h) inside an image, with two decimals."""
    start, extent = rng.uniform(0, 0.4, 2) * size, rng.uniform(0.1, 0.5, 2) * size
    return [round(float(value), 2) for value in (*start, *extent)]


def write_video(root: Path, count: int) -> None:
    """Videos of one object each."""
    size, rng = SIZES['video'], np.random.default_rng(0)
    pictures = write_pictures(root / 'pictures', size)
    frames = root / 'frames'
    frames.mkdir()
    for frame in range(FRAMES):
        os.link(pictures[frame % PICTURES], frames / f'{frame + 1:08d}.jpg')
    (root / 'train').mkdir()
    with CocoWriter(root / 'train.json') as writer:
        for video in progress(range(count // FRAMES)):
            name = f'train/GOT-10k_Train_{video + 1:06d}'
            (root / name).symlink_to(frames)
            writer.start_video(name)
            for frame in range(FRAMES):
                writer.add_image(f'{name}/{frame + 1:08d}.jpg', *size, frame)
                writer.add_box(name, box(rng, size), 'object')


def write_crops(root: Path, count: int) -> None:
    """Photographs whose every box is an object."""
    size, rng = SIZES['crops'], np.random.default_rng(0)
    pictures = write_pictures(root / 'pictures', size)
    (root / 'train2017').mkdir()
    with CocoWriter(root / 'train.json') as writer:
        for image in progress(range(count // BOXES)):
            name = f'train2017/{image:012d}.jpg'
            os.link(pictures[image % PICTURES], root / name)
            writer.start_video(name)
            writer.add_image(name, *size, 0)
            for place in range(BOXES):
                writer.add_box((image, place), box(rng, size), f'class {rng.integers(80)}')


def memory(kind: str) -> float:
    """``VmRSS`` or ``VmHWM`` of this process in bytes."""
    lines = dict(line.split(':', 1) for line in Path('/proc/self/status').read_text().splitlines())
    return float(lines[kind].split()[0]) * 1024


def measured(call: Callable[[Path], Any], root: Path) -> Start:
    """Seconds and memory of ``call``, in a process of its own that has done it once, in small."""
    context = get_context('fork')
    results = context.SimpleQueue()

    def run() -> None:
        call(root / 'small')
        Path('/proc/self/clear_refs').write_text('5')
        before, started, cpu = memory('VmRSS'), time.perf_counter(), time.process_time()
        made = call(root / 'large')
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        columns = made.data_list.columns.arrays() if isinstance(made, EpisodeDataset) else {}
        size = sum(array.nbytes for array in columns.values())
        peak, kept = memory('VmHWM') - before, memory('VmRSS') - before
        results.put(Start(seconds, cpu, peak, kept, size, len(made)))

    process = context.Process(target=run)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f'a start ended with status {process.exitcode}')
    start: Start = results.get()
    return start


def starts(kind: str, root: Path, repeat: int) -> dict[str, Start]:
    """The quickest of each kind of start."""

    def load(folder: Path) -> Any:
        with open(folder / 'train.json') as file:
            return json.load(file)

    def dataset(folder: Path, cache: bool) -> EpisodeDataset:
        return EpisodeDataset(
            data_root=str(folder),
            ann_file='train.json',
            episodes=dict(SAMPLERS[kind]),
            cache=str(folder / 'cache') if cache else False,
            pipeline=[],
        )

    found: dict[str, list[Start]] = {name: [] for name in ('json.load', 'no cache', 'first', 'later')}
    for _ in range(repeat):
        for size in ('small', 'large'):
            shutil.rmtree(root / size / 'cache', ignore_errors=True)
        found['json.load'].append(measured(load, root))
        found['no cache'].append(measured(lambda folder: dataset(folder, False), root))
        found['first'].append(measured(lambda folder: dataset(folder, True), root))
        found['later'].append(measured(lambda folder: dataset(folder, True), root))
    return {name: min(each) for name, each in found.items()}


def report(file: str, name: str, start: Start, alone: Start) -> dict[str, float]:
    """Print a line of the table; the ratios to ``json.load`` alone."""
    line, ratios = f'{file:>16}{name:>11}', {}
    for figure, unit in {'seconds': 1, 'cpu': 1, 'peak': 2**20}.items():
        value = getattr(start, figure)
        ratios[figure] = round(value / getattr(alone, figure), 3)
        line += f'{value / unit:>9.2f}{ratios[figure]:>9.2f}'
    if start is not alone:
        line += f'{start.kept / start.episodes:>11.0f}{start.columns / start.episodes:>9.0f}'
    print(line)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--annotations', type=int, nargs='+', default=[10**5, 10**6])
    parser.add_argument('--repeat', type=int, default=3)
    args = parser.parse_args()
    check_number('--repeat', args.repeat, low=1, whole=True)
    torch.set_num_threads(1)
    # What is imported here is none of json.load's garbage.
    gc.freeze()
    init_default_scope('mmdet')
    figures: dict[str, float] = {}
    heads = ('', '', 'seconds', 'of json', 'CPU s', 'of json', 'peak MB', 'of json', 'B/episode', 'columns')
    widths = (16, 11, 9, 9, 9, 9, 9, 9, 11, 9)
    print(''.join(f'{head:>{width}}' for head, width in zip(heads, widths, strict=True)))
    for kind, write in (('video', write_video), ('crops', write_crops)):
        for count in args.annotations:
            check_number('--annotations', count, low=FRAMES)
            with tempfile.TemporaryDirectory() as folder:
                for size, annotations in (('small', FRAMES * BOXES), ('large', count)):
                    write(Path(folder) / size, annotations)
                found = starts(kind, Path(folder), args.repeat)
            for name, start in found.items():
                ratios = report(f'{kind} {count}', name, start, found['json.load'])
                if name != 'json.load':
                    key = f'{kind}_{count}_{name.replace(" ", "_")}'
                    figures |= {f'{key}_{figure}': ratio for figure, ratio in ratios.items()}
            figures[f'{kind}_{count}_bytes_an_episode'] = round(found['later'].kept / found['later'].episodes)
    print(json.dumps(figures))


if __name__ == '__main__':
    main()
