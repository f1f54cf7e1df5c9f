"""Draw videos of sprites, with boxes that are exact and objects that look alike.

    python tools/dataset_converters/sprites.py data/sprites/test --out data/drawn/test.json --videos 20

Each video shows one drawing, some copies of it in other colours (of the same
category) and other drawings, scattered anew in every frame. In some frames an
object is missing, and the file says so. Images go into the folder of --out.
"""

import argparse
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image

from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.drawn.scenes import compose_scene, hue_shifted, visible_box
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.progress import progress

ABSENT = 0.2


def draw_video(
    writer: CocoWriter, folder: Path, name: str, objects: dict[str, Image.Image], args: argparse.Namespace
) -> None:
    """Write the frames of one video; ``objects`` by name, ``<category> <number>``."""
    video = int(name.removeprefix('video'))
    writer.start_video(name)
    check_folder('--out', folder / name)
    (folder / name).mkdir(parents=True, exist_ok=True)
    drawings = crc32(' '.join(objects).encode())
    for frame in range(args.frames):
        # From 1: NumPy takes a trailing 0 for none.
        rng = np.random.default_rng([args.seed, video, drawings, frame + 1])
        shown = [each for each in objects if rng.random() >= ABSENT] or list(objects)
        size = (args.size, args.size)
        image, boxes = compose_scene(rng, [objects[each] for each in shown], size, (0.15, 0.4))
        path = f'{name}/{frame:04d}.png'
        Image.fromarray(image).save(folder / path)
        writer.add_image(path, *size, frame)
        for each, (x1, y1, x2, y2) in zip(shown, boxes, strict=True):
            writer.add_box(f'{name} {each}', (x1, y1, x2 - x1, y2 - y1), each.rsplit(' ', 1)[0])
        for each in objects:
            if each not in shown:
                writer.add_absent(f'{name} {each}')


def read_drawing(path: Path) -> Image.Image:
    """A drawing, RGBA.

    Raises:
        InputError: It cannot be read, or nothing of it is opaque enough to see.
    """
    try:
        with Image.open(path) as image:
            drawing = image.convert('RGBA')
    except Exception as error:  # Pillow raises many kinds for broken files
        raise InputError(f'{path}: cannot be read as an image ({error}). Remove it') from error
    if visible_box(drawing) is None:
        raise InputError(f'{path}: is transparent everywhere. Remove it')
    return drawing


def cast(
    files: list[Path], rng: np.random.Generator, look_alikes: int, others: int
) -> dict[str, Image.Image]:
    """The objects of a video."""
    chosen = [files[i] for i in rng.choice(len(files), 1 + others, replace=False)]
    drawings = {f'{path.stem} 0': read_drawing(path) for path in chosen}
    first = next(iter(drawings.values()))
    alike = {
        f'{chosen[0].stem} {number + 1}': hue_shifted(first, rng.uniform(0.25, 0.75))
        for number in range(look_alikes)
    }
    return drawings | alike


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path, help='folder of RGBA drawings, *.webp or *.png')
    parser.add_argument('--out', type=Path, required=True, help='the file to write')
    parser.add_argument('--videos', type=int, default=20, help='default: %(default)s')
    parser.add_argument('--frames', type=int, default=8, help='of a video; default: %(default)s')
    parser.add_argument(
        '--look-alikes', type=int, default=1, help='copies in other colours; default: %(default)s'
    )
    parser.add_argument('--others', type=int, default=2, help='other drawings; default: %(default)s')
    parser.add_argument(
        '--size', type=int, default=160, help='side of the frames in pixels; default: %(default)s'
    )
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    args = parser.parse_args()
    bounds = dict(
        videos=(1, None),
        frames=(1, None),
        look_alikes=(0, 16),
        others=(0, 16),
        size=(64, 4096),
        seed=(0, None),
    )
    for name, (low, high) in bounds.items():
        check_number(f'--{name.replace("_", "-")}', getattr(args, name), low=low, high=high, whole=True)
    check_folder('--out', args.out.parent)
    files = sorted(path for path in args.source.glob('*') if path.suffix in ('.webp', '.png'))
    if len(files) < 1 + args.others:
        raise InputError(
            f'{args.source}: {len(files)} drawings (*.webp, *.png), but {1 + args.others} are needed'
        )
    with CocoWriter(args.out) as writer:
        for video in progress(range(args.videos)):
            objects = cast(files, np.random.default_rng([args.seed, video]), args.look_alikes, args.others)
            draw_video(writer, args.out.parent, f'video{video:04d}', objects, args)
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
