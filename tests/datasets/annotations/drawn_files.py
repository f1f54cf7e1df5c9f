"""Annotation files that hypothesis draws, of images that are there."""

from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from PIL import Image

SIZE = (40, 30)
NAMES = [f'{number}.{kind}' for number in range(4) for kind in ('jpg', 'png')]


def write_images(folder: Path) -> None:
    """All images that drawn files name."""
    for name in NAMES:
        Image.new('RGB', SIZE).save(folder / name)


def ids(kinds: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Functions that make ids of numbers: whole numbers, and text of several forms."""
    forms = {'whole': int, 'text': 'v{}'.format, 'spelt': '{:02d}'.format}
    return kinds.map(lambda kind: forms[kind])


@st.composite
def sound_files(draw: st.DrawFn) -> dict[str, Any]:
    """COCO JSON with one to four objects in up to eight images of up to three videos."""
    video, frame, instance = (draw(ids(st.sampled_from(['whole', 'text', 'spelt']))) for _ in range(3))
    names = draw(st.permutations(NAMES))[: draw(st.integers(2, len(NAMES)))]
    numbers = draw(st.permutations(range(len(names))))
    images: list[dict[str, Any]] = [
        dict(
            id=place, file_name=name, width=SIZE[0], height=SIZE[1],
            video_id=video(draw(st.integers(0, 2))), frame_id=frame(number),
        )
        for place, (name, number) in enumerate(zip(names, numbers, strict=True))
    ]  # fmt: skip
    objects = draw(st.integers(1, 4))
    pairs = draw(st.sets(st.tuples(st.integers(0, len(names) - 1), st.integers(0, objects - 1)), min_size=1))
    annotations = [
        dict(id=place, image_id=image, instance_id=instance(each), bbox=draw(boxes), **draw(classes))
        for place, (image, each) in enumerate(draw(st.permutations(sorted(pairs))))
    ]
    shown = {each for _, each in pairs}
    for image in draw(st.sets(st.integers(0, len(names) - 1))):
        images[image]['absent'] = [instance(each) for each in sorted(shown) if (image, each) not in pairs]
    return dict(images=draw(st.permutations(images)), annotations=annotations)


boxes = st.tuples(
    st.integers(-1, 20), st.floats(0, 15).map(lambda value: round(value, 2)), st.integers(1, 20), st.just(7.5)
).map(list)
classes = st.sampled_from(
    [{}, dict(category_id=None), dict(category_id=1), dict(category_id=2), dict(iscrowd=0)]
)
#: Values that some key refuses.
WRONG = [
    None,
    True,
    0,
    99,
    1.5,
    -3,
    'x',
    '1',
    '../0.png',
    'gone.png',
    [],
    [1],
    [1, 2, 3, 0],
    [1, 2, 0.3, 0.4],
]


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """Sound files, and such with up to two wrong values, keys too many or records of no kind."""
    content = draw(sound_files())
    for _ in range(draw(st.integers(0, 2))):
        part = content[draw(st.sampled_from(['images', 'annotations']))]
        record = draw(st.sampled_from(part))
        if record is not None:
            record[draw(st.sampled_from([*record, 'score', 'absent', 'iscrowd']))] = draw(
                st.sampled_from(WRONG)
            )
        if draw(st.integers(0, 5)) == 0:
            part.append(draw(st.sampled_from([None, dict(record or {})])))
    return content


@st.composite
def samplers(draw: st.DrawFn) -> dict[str, Any]:
    """Settings of all samplers."""
    kind = draw(st.sampled_from(['UniformSpanEpisodes', 'RandomEpisodes', 'SameImageEpisodes']))
    settings = dict(
        type=kind,
        shots=draw(st.sampled_from([1, 2, [1, 2]])),
        negatives=draw(st.sampled_from([0.0, 0.0, 0.5, 1.0])),
        seed=draw(st.integers(0, 3)),
    )
    if kind != 'UniformSpanEpisodes':
        settings['per_track'] = draw(st.integers(1, 3))
    if kind != 'SameImageEpisodes':
        settings['target'] = draw(st.sampled_from(['every', 'most_frequent']))
        settings['among_look_alikes'] = draw(st.booleans())
    if kind == 'RandomEpisodes':
        settings['min_gap'] = draw(st.sampled_from([0, 2]))
    return settings
