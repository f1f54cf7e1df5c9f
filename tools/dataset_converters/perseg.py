"""PerSeg to COCO JSON with instances; boxes come from the masks.

    python tools/dataset_converters/perseg.py data/perseg

The folder holds Images/<object>/00.jpg and Annotations/<object>/00.png, as published.
Every photograph is a place of its own; an object is in all photographs of its folder.
"""

from pathlib import Path

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.conversion.arguments import argument_parser, parse, require
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.conversion.masks import mask_box, read_mask
from focus_mmdet.errors import InputError
from focus_mmdet.progress import progress

EXPECTED = 'Expected PerSeg: Images/<object>/00.jpg, ..., Annotations/<object>/00.png, ...'


def convert(source: Path, writer: CocoWriter) -> None:
    """Write every photograph of ``source`` whose mask shows its object."""
    files = sorted(path for path in (source / 'Images').glob('*/*') if path.is_file())
    photos = [path for path in files if path.suffix.lower() == '.jpg']
    for path in sorted({*files} - {*photos}):
        writer.drop('not a photograph (.jpg)', str(path))
    masks = {path.relative_to(source / 'Annotations') for path in (source / 'Annotations').glob('*/*.png')}
    if not photos:
        raise InputError(f'{source / "Images"}: no photograph. {EXPECTED}')
    for photo in progress(photos):
        mask = photo.relative_to(source / 'Images').with_suffix('.png')
        masks.discard(mask)
        add_photo(source, photo, source / 'Annotations' / mask, writer)
    for mask in sorted(masks):
        writer.drop('mask without a photograph', str(source / 'Annotations' / mask))
    for folder in sorted((source / 'Images').iterdir()):
        if folder.is_dir() and not any(folder.glob('*')):
            writer.drop('object without photographs', str(folder))


def add_photo(source: Path, photo: Path, mask: Path, writer: CocoWriter) -> None:
    """Write one photograph and the box of its mask, or count why not."""
    try:
        shown = read_mask(mask)
    except InputError:
        writer.drop('missing or unreadable mask', str(mask))
        return
    box = mask_box(shown)
    if box is None:
        writer.drop('empty mask', str(mask))
        return
    name = photo.relative_to(source).as_posix()
    height, width = shown.shape
    if writer.start_video(name) and writer.add_image_file(source, name, 0, size=(width, height)):
        writer.add_box(photo.parent.name, box)


def main() -> None:
    args = parse(argument_parser(__doc__ or '', out='annotations.json'))
    for part in ('Images', 'Annotations'):
        require(args.source / part, EXPECTED)
    with CocoWriter(args.out, objects_span_videos=True) as writer:
        convert(args.source, writer)
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
