"""Objects without their background: (H, W, 4) uint8 BGRA, no larger than what is seen of them."""

from collections.abc import Sequence

import cv2
import numpy as np

#: Rounds of GrabCut.
_ROUNDS = 4
#: A cut that spans less of its box than this went wrong.
_LEAST_SPAN = 0.8
#: Opacity from which a pixel counts as seen.
_SEEN = 64


def cut_out(image: np.ndarray, box: Sequence[float]) -> np.ndarray | None:
    """An object of a photograph, by GrabCut.

    Args:
        image: (H, W, 3) uint8 BGR.
        box: (x1, y1, x2, y2) round the object in pixels.

    Returns:
        The object, or None where the cut does not fill the box's width and height.
    """
    height, width = image.shape[:2]
    x1, y1 = (max(0, round(value)) for value in box[:2])
    x2, y2 = min(width, round(box[2])), min(height, round(box[3]))
    labels = np.full((height, width), cv2.GC_BGD, np.uint8)
    labels[y1:y2, x1:x2] = cv2.GC_PR_FGD
    third_x, third_y = (x2 - x1) // 3, (y2 - y1) // 3
    labels[y1 + third_y : y2 - third_y, x1 + third_x : x2 - third_x] = cv2.GC_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # Or a cut would depend on those before it.
    cv2.grabCut(image, labels, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    mask = _largest(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8))
    rows, columns = np.nonzero(mask)
    if len(rows) == 0 or np.ptp(columns) < _LEAST_SPAN * (x2 - x1) or np.ptp(rows) < _LEAST_SPAN * (y2 - y1):
        return None
    return trimmed(np.dstack([image, cv2.GaussianBlur(255 * mask, (3, 3), 0)]))


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected part, without specks and holes."""
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(mask)
    sizes = statistics[1:, cv2.CC_STAT_AREA]
    return (parts == 1 + sizes.argmax()).astype(np.uint8) if len(sizes) else mask


def trimmed(cutout: np.ndarray) -> np.ndarray | None:
    """Without the empty margin; None where nothing is seen."""
    rows, columns = np.nonzero(cutout[..., 3] > _SEEN)
    if len(rows) == 0:
        return None
    return cutout[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def in_other_colours(cutout: np.ndarray, turn: float) -> np.ndarray:
    """A look-alike: the same object with its hues turned by a share 0..1 of the colour circle."""
    hsv = cv2.cvtColor(cutout[..., :3], cv2.COLOR_BGR2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + int(180 * turn)) % 180
    return np.dstack([cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), cutout[..., 3]])


def of_other_stuff(cutout: np.ndarray, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The other look-alike: the same shape and shading, made of a patch of a photograph."""
    height, width = cutout.shape[:2]
    zoom = rng.uniform(0.6, 2.5)
    patch = random_patch(photo, rng, int(height * zoom) + 2, int(width * zoom) + 2)
    stuff = cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.6:
        stuff = cv2.addWeighted(stuff, 0.5, np.full_like(stuff, rng.integers(0, 256, 3)), 0.5, 0)
    shade = cv2.cvtColor(cutout[..., :3], cv2.COLOR_BGR2GRAY)[..., None] / 160
    return np.dstack([np.clip(stuff * shade.clip(0.4, 1.4), 0, 255).astype(np.uint8), cutout[..., 3]])


def glued(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One object of two: the second, the smaller one, sticks to a side of the first."""
    zoom = rng.uniform(0.45, 0.9) * max(first.shape[:2]) / max(second.shape[:2])
    zoom = max(zoom, 1 / min(second.shape[:2]))  # A thread stays a pixel thick.
    second = cv2.resize(second, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    height, width = first.shape[:2]
    rows, columns = second.shape[:2]
    both = cv2.copyMakeBorder(first, rows, rows, columns, columns, cv2.BORDER_CONSTANT)
    across, along = rng.uniform(0.2, 0.5), rng.uniform(0.2, 0.8)
    if rng.random() < 0.5:
        x = columns + int(width - across * columns if rng.random() < 0.5 else (across - 1) * columns)
        y = rows + int(along * height - rows / 2)
    else:
        x = columns + int(along * width - columns / 2)
        y = rows + int(height - across * rows if rng.random() < 0.5 else (across - 1) * rows)
    under = both[y : y + rows, x : x + columns].astype(np.float32)
    opacity = second[..., 3:].astype(np.float32) / 255
    colours = under[..., :3] * (1 - opacity) + second[..., :3] * opacity
    seen = np.maximum(under[..., 3], second[..., 3])
    both[y : y + rows, x : x + columns] = np.dstack([colours, seen]).astype(np.uint8)
    whole = trimmed(both)
    assert whole is not None
    return whole


def random_patch(photo: np.ndarray, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A patch of a photograph, no larger than it is."""
    height, width = min(height, photo.shape[0]), min(width, photo.shape[1])
    y, x = (
        int(rng.integers(total - part + 1)) for total, part in zip(photo.shape, (height, width), strict=False)
    )
    return photo[y : y + height, x : x + width]
