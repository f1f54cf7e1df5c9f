"""Your own photographs to COCO JSON with instances.

    python tools/dataset_converters/folder.py data/mine

The folder holds one sub-folder per object with its photographs and a table boxes.csv:

    file,x1,y1,x2,y2
    IMG_0001.jpg,12,40,200,310

One row per photograph, fields separated by commas; the corners of the object's box are in pixels of the
photograph as seen, turned as its EXIF tag says. Files lie in the folder of their object. Then split it with
split_by_instance.py.
"""

import csv
import math
import os
from collections.abc import Iterator
from pathlib import Path

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.annotations.file_names import leaves
from focus_mmdet.datasets.annotations.natural_order import natural_order
from focus_mmdet.datasets.conversion.arguments import argument_parser, parse
from focus_mmdet.datasets.conversion.coco_writer import SLACK, CocoWriter, overhang
from focus_mmdet.datasets.episode import below_a_pixel
from focus_mmdet.errors import InputError
from focus_mmdet.progress import progress

TABLE = 'boxes.csv'
CORNERS = ('x1', 'y1', 'x2', 'y2')
SUFFIXES = {'.jpg', '.jpeg', '.png', '.webp', '.bmp'}


def rows(table: Path) -> Iterator[tuple[str, str, list[float]]]:
    """Where a row stands, its file and its box (x1, y1, x2, y2).

    Raises:
        InputError: A column is missing, or a corner is not a number; names the line.
    """
    try:
        with open(table, encoding='utf-8-sig', newline='') as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            header = [name.strip() for name in reader.fieldnames or []]
            for mark, marks in ((';', 'semicolons'), ('\t', 'tabs')):
                if len(header) == 1 and mark in header[0]:
                    raise InputError(
                        f'{table}:1: fields are separated by {marks}; write commas, and 1.5 for 1,5'
                    )
            if lacking := [name for name in ('file', *CORNERS) if name not in header]:
                raise InputError(f'{table}:1: no column {", ".join(lacking)}; the header is file,x1,y1,x2,y2')
            reader.fieldnames = header
            for row in reader:
                where = f'{table}:{reader.line_num}'
                if None in row:
                    raise InputError(f'{where}: more fields than the header; write 1.5, not 1,5')
                try:
                    box = [float(row[name]) for name in CORNERS]
                    if not all(map(math.isfinite, box)):
                        raise ValueError
                except (TypeError, ValueError):
                    given = ','.join(str(row[name]) for name in CORNERS)
                    raise InputError(f'{where}: x1,y1,x2,y2 must be four numbers, not {given}') from None
                yield where, (row['file'] or '').strip(), box
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f'{table}: cannot be read as a table in UTF-8 ({error})') from error


def relative(folder: Path, name: str) -> str | None:
    """A listed file relative to its object's folder; None where it lies elsewhere."""
    if Path(name).is_absolute():
        name = os.path.relpath(name, folder)
    # As one name also where it goes out of the folder and back.
    return None if leaves(name, folder) else Path(os.path.relpath(folder / name, folder)).as_posix()


def add_object(folder: Path, writer: CocoWriter) -> None:
    """Write the photographs of one object."""
    if not (folder / TABLE).is_file():
        writer.drop(f'folder without {TABLE}', str(folder))
        return
    listed: set[str] = set()
    for where, given, box in rows(folder / TABLE):
        name = relative(folder, given)
        if name is None:
            writer.drop("image outside its object's folder", f'{where} ({given})')
            continue
        if name in listed:
            writer.drop('second row for an image', where)
            continue
        listed.add(name)
        add_photo(folder, name, box, where, writer)
    for photo in sorted(folder.iterdir(), key=lambda path: natural_order(path.name)):
        if photo.name not in {TABLE, *listed}:
            kind = 'image' if photo.suffix.lower() in SUFFIXES else 'other file'
            writer.drop(f'{kind} without a row in {TABLE}', str(photo))


def add_photo(folder: Path, name: str, box: list[float], where: str, writer: CocoWriter) -> None:
    """Write one photograph, a place of its own, or count why not."""
    size = writer.image_size(folder / name, where)
    if size is None:
        return
    width, height = size
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        writer.drop('empty box', f'{where} ({box}; x1,y1 is the top left corner, x2,y2 the bottom right one)')
    elif overhang((x1, y1, x2 - x1, y2 - y1), width, height) > SLACK:
        writer.drop('box beyond its image', f'{where} ({box}; as seen, the image is {width} x {height})')
    elif fault := below_a_pixel(box, x2 - x1, y2 - y1):
        writer.drop(f'box that {fault}', f'{where} ({box})')
    else:
        file_name = f'{folder.name}/{name}'
        writer.start_video(file_name)
        writer.add_image(file_name, width, height, 0)
        writer.add_box(folder.name, (x1, y1, x2 - x1, y2 - y1))


def main() -> None:
    args = parse(argument_parser(__doc__ or '', out='annotations.json'))
    folders = [path for path in args.source.glob('*') if path.is_dir()]
    folders.sort(key=lambda path: natural_order(path.name))
    if not any((folder / TABLE).is_file() for folder in folders):
        raise InputError(
            f'{args.source}: no sub-folder has a {TABLE}. Expected one sub-folder per object with its '
            f'photographs and a {TABLE} with the columns file,x1,y1,x2,y2'
        )
    with CocoWriter(args.out, objects_span_videos=True) as writer:
        for folder in progress(folders):
            add_object(folder, writer)
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
