"""Make videos in which objects turn and move, with exact boxes, to measure tracking.

    python tools/dataset_converters/render_objects.py FURNITURE/*.sh3f --turning --views 72 --out data/turning
    python tools/dataset_converters/turning_videos.py data/realset/val.json data/turning --out data/videos

Each object turns in a video of its own, of a frame for each of its views, before a photograph and beside
two others that turn too, while the camera moves. From 5/12 to 7/12 of the time it is gone. --out receives
the frames and videos.json, whose episodes FirstFramesEpisodes makes.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import mmcv
import numpy as np

from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.collage.collage import paste
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.image_file import read_image
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.progress import progress

WIDTH, HEIGHT = 320, 240
#: Pixels by which a background is larger than a frame, and the camera moves over it.
ROOM = 80, 60
#: Longer side in pixels: of an object on average, by how much that changes, and of the others.
SIDE, CHANGE, OTHERS = 85, 25, 80


def read_views(folder: Path) -> dict[str, list[np.ndarray]]:
    """Views of each object, (h, w, 4) uint8 BGRA, as ``render_objects.py --turning`` writes them.

    Raises:
        InputError: Fewer than three objects, or something else than their views.
    """
    paths = sorted(path for path in folder.glob('*') if any(path.glob('*.webp')))
    objects = {path.name: [read_view(file) for file in sorted(path.glob('*.webp'))] for path in paths}
    if still := next((name for name, views in objects.items() if len(views) < 2), None):
        raise InputError(f'{folder / still}: one view, which does not turn. Render more (--views)')
    if len(objects) < 3:
        raise InputError(
            f'{folder}: {len(objects)} folders with views (*.webp), and a video shows three objects. '
            'Give what render_objects.py --turning wrote'
        )
    return objects


def read_view(file: Path) -> np.ndarray:
    view = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if view is None:
        raise InputError(f'{file}: cannot be read as a picture. Render the views anew')
    # A file does not keep the opacity of what is opaque throughout.
    return view if view.shape[2] == 4 else cv2.cvtColor(view, cv2.COLOR_BGR2BGRA)


def read_backgrounds(annotations: Path) -> list[np.ndarray]:
    """The photographs of a COCO file, out of focus."""
    tracks = AnnotationFile(str(annotations), str(annotations.parent)).tracks()
    paths = sorted({frame.path for track in tracks for frame in track.frames})
    size = WIDTH + ROOM[0], HEIGHT + ROOM[1]
    return [cv2.GaussianBlur(mmcv.imresize(read_image(path), size), (0, 0), 1.5) for path in paths]


def scaled(view: np.ndarray, side: float) -> np.ndarray:
    zoom = side / max(view.shape[:2])
    return cv2.resize(view, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)


def frames(
    views: list[np.ndarray], others: list[list[np.ndarray]], background: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, list[int] | None]]:
    """(H, W, 3) uint8 BGR of each frame, and (x, y, width, height) of the object, None where it is gone."""
    count, start = len(views), rng.uniform(0, 2 * np.pi, 5)
    for time, view in enumerate(views):
        left, top = (
            int(room / 2 * (1 + np.sin(time / pace + phase)))
            for room, pace, phase in zip(ROOM, (25, 31), start, strict=False)
        )
        frame = background[top : top + HEIGHT, left : left + WIDTH].copy()
        for number, other in enumerate(others):
            beside = scaled(other[(20 * number + time // 3) % len(other)], OTHERS)
            x, y = 25 + 220 * number - left // 4, 150 - top // 4
            put(frame, beside, x, y)
        box = None
        if not 5 * count <= 12 * time < 7 * count:
            shown = scaled(view, SIDE + CHANGE * np.sin(time / 12 + start[2]))
            across, down = (
                0.5 + 0.45 * np.sin(time / pace + phase)
                for pace, phase in zip((14, 11), start[3:], strict=True)
            )
            x, y = int((WIDTH - shown.shape[1]) * across), int((150 - min(shown.shape[0], 140)) * down)
            box = put(frame, shown, x, y)
        yield frame, box


def put(frame: np.ndarray, view: np.ndarray, x: int, y: int) -> list[int]:
    """Paste a view inside the frame near a place; (x, y, width, height) of it."""
    height, width = view.shape[:2]
    x, y = int(np.clip(x, 0, WIDTH - width)), int(np.clip(y, 0, HEIGHT - height))
    paste(frame, view, (x, y, x + width, y + height))
    return [x, y, width, height]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('photos', type=Path, help='COCO JSON with instances, beside its images: backgrounds')
    parser.add_argument('views', type=Path, help='folder of folders: views of an object that turns')
    parser.add_argument('--out', type=Path, required=True, help='folder to write into')
    parser.add_argument('--videos', type=int, help='at most so many; default: one of each object')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    args = parser.parse_args()
    check_number('--seed', args.seed, low=0, whole=True)
    if args.videos is not None:
        check_number('--videos', args.videos, low=1, whole=True)
    check_folder('views', args.views)
    check_folder('--out', args.out)
    objects, backgrounds = read_views(args.views), read_backgrounds(args.photos)
    rng = np.random.default_rng(args.seed)
    names = rng.permutation(sorted(objects)).tolist()
    # Others stand in its video without a box.
    with CocoWriter(args.out / 'videos.json', exhaustive=False) as writer:
        for number, name in enumerate(progress(names[: args.videos])):
            others = [objects[names[(number + step) % len(names)]] for step in (1, 2)]
            background = backgrounds[int(rng.integers(len(backgrounds)))]
            writer.start_video(name)
            for time, (pixels, box) in enumerate(frames(objects[name], others, background, rng)):
                file = f'frames/{name}/{time:03d}.jpg'
                mmcv.imwrite(pixels, str(args.out / file), [cv2.IMWRITE_JPEG_QUALITY, 92])
                writer.add_image(file, WIDTH, HEIGHT, time)
                if box is None:
                    writer.add_absent(name)
                else:
                    writer.add_box(name, box)
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
