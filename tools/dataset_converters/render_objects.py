"""Render 3D models: several views of each object, cut out.

    python tools/dataset_converters/render_objects.py /usr/share/sweethome3d/furniture/*.sh3f --out data/views

A source is a catalogue of Sweet Home 3D (.sh3f) or a folder of OBJ models with their MTL files
and textures, y up. Every object gets a folder in --out with its views, 00.webp and so on: RGBA,
from elsewhere and in other light each time; with --turning in even steps from one side to the
other and in one light, for turning_videos.py. CREDITS.txt says whose each is, as far as the
catalogue does. Doors, windows and stairs are left out, and what shows nearly nothing: neither
colour nor detail. Needs the extra "render" of setup.py (trimesh, vtk); no display, no GPU.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np

from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.datasets.rendered.catalogues import Source, find_sources
from focus_mmdet.datasets.rendered.renderer import Renderer
from focus_mmdet.datasets.rendered.wavefront import read_model
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.progress import progress


def is_plain(views: list[np.ndarray]) -> bool:
    """Whether views, (h, w, 4) uint8 BGRA, are light without colours, and smooth inside."""
    colours = np.concatenate([view[view[..., 3] > 200][:, :3] for view in views])
    if not len(colours):
        return True
    saturation = np.percentile(np.ptp(colours, 1), 90)
    return bool(saturation < 30 and colours.mean() > 60 and np.mean([_detail(view) for view in views]) < 3)


def _detail(view: np.ndarray) -> float:
    """Mean change of the slope of brightness, away from the outline."""
    inside = cv2.erode(view[..., 3], np.ones((5, 5))) > 250
    changes = np.abs(cv2.Laplacian(view[..., 1].astype(np.float32), cv2.CV_32F))
    return float(changes[inside].mean()) if inside.any() else 0.0


def write_views(views: list[np.ndarray], folder: Path) -> None:
    folder.mkdir(parents=True)
    digits = max(2, len(str(len(views) - 1)))
    for number, view in enumerate(views):
        _, content = cv2.imencode('.webp', view, [cv2.IMWRITE_WEBP_QUALITY, 90])
        (folder / f'{number:0{digits}d}.webp').write_bytes(content.tobytes())


def part_of(name: str) -> str:
    """Whether an object is one to learn from or to choose by; the same in every run."""
    return 'train' if crc32(name.encode()) % 10 else 'val'


def render_all(
    sources: list[Source], out: Path, side: int, count: int, seed: int, turning: bool
) -> tuple[list[Source], dict[str, list[str]]]:
    """Write the views of all; returns those written, and remarks with the names that they are about."""
    renderer = Renderer(side)
    written, remarks = [], defaultdict(list)
    for source in progress(sources):
        # An object's views are the same whatever else is rendered.
        rng = np.random.default_rng([seed, crc32(source.name.encode()), 1])
        try:
            model = read_model(source.folder, source.file)
        except InputError as error:
            remarks['left out, cannot be read'].append(f'{source.name} ({error})')
            continue
        views = renderer.views(model, source.rotation, rng, count, turning)
        if len(views) < 0.75 * count or is_plain(views):
            remarks['left out, nearly nothing to see'].append(source.name)
            continue
        if model.missing:
            remarks['drawn plain where it lacks'].append(f'{source.name} ({", ".join(model.missing)})')
        write_views(views, out / source.name)
        written.append(source)
    return written, remarks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('sources', type=Path, nargs='+', help='.sh3f files, or folders of OBJ models')
    parser.add_argument('--out', type=Path, required=True, help='folder to write into, new or empty')
    parser.add_argument('--views', type=int, default=8, help='of an object; default: %(default)s')
    parser.add_argument(
        '--side', type=int, default=200, help='longer side of a view in pixels; default: %(default)s'
    )
    parser.add_argument(
        '--part',
        choices=['all', 'train', 'val'],
        default='all',
        help='val: the tenth of the objects whose name has a CRC-32 that ten divides; default: %(default)s',
    )
    parser.add_argument('--turning', action='store_true', help='views in even steps from side to side')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    args = parser.parse_args()
    check_number('--views', args.views, low=1, high=1000, whole=True)
    check_number('--side', args.side, low=32, high=1024, whole=True)
    check_number('--seed', args.seed, low=0, whole=True)
    check_folder('--out', args.out)
    if args.out.is_dir() and any(args.out.iterdir()):
        raise InputError(f'--out {args.out}: is not empty. Choose another folder')
    found = find_sources(args.sources)
    sources = [source for source in found if args.part in ('all', part_of(source.name))]
    if not sources:
        raise InputError(f'--part {args.part}: none of the {len(found)} objects is in it')
    written, remarks = render_all(sources, args.out, args.side, args.views, args.seed, args.turning)
    for remark, names in remarks.items():
        print(f'{len(names)} {remark}: {", ".join(names)}')
    if not written:
        raise InputError(f'{args.out}: no object of {len(sources)} could be rendered')
    credits = ''.join(f'{source.name}: {source.credit}\n' for source in written)
    (args.out / 'CREDITS.txt').write_text(credits, encoding='utf-8')
    print(f'{len(written)} objects in {args.out}; CREDITS.txt says whose they are')


if __name__ == '__main__':
    run_cli(main)
