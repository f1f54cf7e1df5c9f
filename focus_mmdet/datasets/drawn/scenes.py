"""Cut-and-paste scenes: sprites on a background, with exact boxes."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from focus_mmdet.errors import InputError

Box = tuple[int, int, int, int]

#: A pasted sprite may lie under others, but this much of its box must be free.
_MAX_OVERLAP = 0.25


def hue_shifted(sprite: Image.Image, turn: float) -> Image.Image:
    """The same drawing in other colours: a look-alike.

    Args:
        sprite: RGBA.
        turn: 0..1, a fraction of the colour circle.
    """
    alpha = sprite.getchannel('A')
    hsv = np.array(sprite.convert('RGB').convert('HSV'))
    hsv[..., 0] = (hsv[..., 0].astype(int) + int(256 * turn)) % 256
    shifted = Image.fromarray(hsv, 'HSV').convert('RGB')
    shifted.putalpha(alpha)
    return shifted


#: Plain colours that are told apart at a few pixels.
PLAIN_COLOURS = (
    (225, 35, 45), (250, 140, 30), (250, 225, 50), (40, 165, 60), (70, 215, 230),
    (40, 70, 220), (130, 50, 190), (250, 130, 200), (25, 25, 30), (245, 245, 245),
)  # fmt: skip


def silhouette(sprite: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """The outline of an RGBA drawing, filled with one RGB colour."""
    filled = Image.new('RGB', sprite.size, colour)
    filled.putalpha(sprite.getchannel('A'))
    return filled


def recoloured(sprite: Image.Image, like: Image.Image) -> Image.Image:
    """Another drawing in the colours of ``like``: the other kind of look-alike.

    Its hues are turned so that the two agree on average.

    Args:
        sprite: RGBA.
        like: RGBA.
    """
    return hue_shifted(sprite, (mean_hue(like) - mean_hue(sprite)) % 1.0)


def mean_hue(sprite: Image.Image) -> float:
    """Circular mean of the hue, weighted by saturation and opacity; 0..1."""
    hue, saturation, _ = np.moveaxis(
        np.asarray(sprite.convert('RGB').convert('HSV'), np.float64) / 256, -1, 0
    )
    weight = saturation * np.asarray(sprite.getchannel('A'), np.float64)
    return float(np.angle((weight * np.exp(2j * np.pi * hue)).sum()) / (2 * np.pi) % 1.0)


def background(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A soft gradient with low-frequency noise, (width, height)."""
    corners = rng.uniform(60, 230, (2, 2, 3)) + rng.normal(0, 12, (2, 2, 3))
    coarse = Image.fromarray(np.clip(corners, 0, 255).astype(np.uint8)).resize(
        size, Image.Resampling.BILINEAR
    )
    grain = rng.normal(0, 10, (8, 8, 3))
    noise = Image.fromarray(np.clip(grain + 128, 0, 255).astype(np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    mixed = np.asarray(coarse, np.float32) + np.asarray(noise, np.float32) - 128
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def visible_box(drawing: Image.Image) -> Box | None:
    """(x1, y1, x2, y2) of what is seen of an RGBA drawing; None where nothing is."""
    return drawing.getchannel('A').point(lambda value: 255 if value > 64 else 0).getbbox()


def _placed(
    rng: np.random.Generator, sprite: Image.Image, size: tuple[int, int], scale: tuple[float, float]
) -> tuple[Image.Image, Box]:
    """A rotated, scaled sprite cut to its visible part, and where it goes."""
    turned = sprite.rotate(rng.uniform(-20, 20), Image.Resampling.BICUBIC, expand=True)
    turned = turned.crop(visible_box(turned))
    side = rng.uniform(*scale) * min(size)
    factor = side / max(turned.size)
    width, height = (max(4, round(length * factor)) for length in turned.size)
    turned = turned.resize((width, height), Image.Resampling.BICUBIC)
    x = int(rng.integers(0, max(1, size[0] - width + 1)))
    y = int(rng.integers(0, max(1, size[1] - height + 1)))
    return turned, (x, y, x + width, y + height)


def _covers(box: Box, others: Sequence[Box]) -> bool:
    for other in others:
        width = min(box[2], other[2]) - max(box[0], other[0])
        height = min(box[3], other[3]) - max(box[1], other[1])
        smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
        if width > 0 and height > 0 and width * height > _MAX_OVERLAP * smaller:
            return True
    return False


def compose_scene(
    rng: np.random.Generator,
    sprites: Sequence[Image.Image],
    size: tuple[int, int],
    scale: tuple[float, float],
) -> tuple[np.ndarray, list[Box]]:
    """Paste sprites on a random background.

    They are placed in random order, so neither size nor overlap tells which
    one is the first.

    Args:
        rng: Everything random comes from it.
        sprites: RGBA drawings. Each leaves enough of the others free; where
            they do not fit, all are tried again, smaller.
        size: (width, height) of the scene in pixels.
        scale: Range of a sprite's longer side, as a fraction of the scene's
            shorter one.

    Returns:
        (height, width, 3) uint8 RGB, and the (x1, y1, x2, y2) boxes in pixels
        of the sprites, in order.

    Raises:
        InputError: They do not fit, however small.
    """
    scene = background(rng, size)
    order = rng.permutation(len(sprites)).tolist()
    while (placed := _layout(rng, [sprites[place] for place in order], size, scale)) is None:
        if scale[1] * min(size) < 1:
            raise InputError(
                f'{len(sprites)} objects do not fit into a scene of {size[0]} x {size[1]} pixels'
            )
        scale = (0.95 * scale[0], 0.95 * scale[1])
    for drawing, box in placed:
        scene.paste(drawing, box[:2], drawing)
    boxes = [box for _, box in placed]
    return np.asarray(scene), [boxes[order.index(place)] for place in range(len(sprites))]


def _layout(
    rng: np.random.Generator,
    sprites: Sequence[Image.Image],
    size: tuple[int, int],
    scale: tuple[float, float],
) -> list[tuple[Image.Image, Box]] | None:
    """Drawings and where they go; None where some did not fit."""
    placed: list[tuple[Image.Image, Box]] = []
    for sprite in sprites:
        for _ in range(10):
            drawing, box = _placed(rng, sprite, size, scale)
            if not _covers(box, [other for _, other in placed]):
                placed.append((drawing, box))
                break
        else:
            return None
    return placed
