"""Cut-and-paste scenes: sprites on a background, with exact boxes."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

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


def _placed(
    rng: np.random.Generator, sprite: Image.Image, size: tuple[int, int], scale: tuple[float, float]
) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """A rotated, scaled sprite cut to its visible part, and where it goes."""
    turned = sprite.rotate(rng.uniform(-20, 20), Image.Resampling.BICUBIC, expand=True)
    visible = turned.getchannel('A').point(lambda value: 255 if value > 64 else 0).getbbox()
    turned = turned.crop(visible)
    side = rng.uniform(*scale) * min(size)
    factor = side / max(turned.size)
    width, height = (max(4, round(length * factor)) for length in turned.size)
    turned = turned.resize((width, height), Image.Resampling.BICUBIC)
    x = int(rng.integers(0, max(1, size[0] - width + 1)))
    y = int(rng.integers(0, max(1, size[1] - height + 1)))
    return turned, (x, y, x + width, y + height)


def _covers(box: tuple[int, int, int, int], others: Sequence[tuple[int, int, int, int]]) -> bool:
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
) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    """Paste sprites on a random background.

    Args:
        rng: Everything random comes from it.
        sprites: RGBA drawings; the first is always placed, others only where
            they leave enough of those before them free.
        size: (width, height) of the scene in pixels.
        scale: Range of a sprite's longer side, as a fraction of the scene's
            shorter one.

    Returns:
        (height, width, 3) uint8 RGB, and the (x1, y1, x2, y2) boxes in pixels
        of the sprites that were placed, in order.
    """
    scene = background(rng, size)
    boxes: list[tuple[int, int, int, int]] = []
    for sprite in sprites:
        for _ in range(10):
            drawing, box = _placed(rng, sprite, size, scale)
            if not _covers(box, boxes):
                scene.paste(drawing, box[:2], drawing)
                boxes.append(box)
                break
    return np.asarray(scene), boxes
