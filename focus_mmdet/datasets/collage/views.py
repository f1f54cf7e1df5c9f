"""The same thing seen again: from elsewhere, in other light."""

import cv2
import numpy as np

from focus_mmdet.datasets.collage.cutouts import trimmed


def in_other_light(image: np.ndarray, rng: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """Other contrast, brightness and tint; (H, W, 3 or 4) uint8."""
    pixels = image[..., :3].astype(np.float32)
    pixels = (pixels - 128) * rng.uniform(1 - 0.25 * strength, 1 + 0.25 * strength) + 128
    pixels += rng.uniform(-28, 28) * strength
    pixels *= rng.uniform(1 - 0.12 * strength, 1 + 0.12 * strength, 3).astype(np.float32)
    return np.concatenate([pixels.clip(0, 255).astype(np.uint8), image[..., 3:]], -1)


def in_another_pose(cutout: np.ndarray, rng: np.random.Generator, bend: float) -> np.ndarray:
    """A cut-out whose parts have moved, lit from a side, half of the time mirrored.

    Args:
        cutout: (H, W, 4) uint8.
        rng: Everything random comes from it.
        bend: How far a part moves at most, as a share of the longer side.

    Returns:
        (h, w, 4) uint8, with an empty margin.
    """
    if rng.random() < 0.5:
        cutout = cutout[:, ::-1]
    margin = int(np.ceil(bend * max(cutout.shape[:2])))
    cutout = cv2.copyMakeBorder(cutout, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
    height, width = cutout.shape[:2]
    moved = rng.uniform(-margin, margin, (3, 3, 2)).astype(np.float32)
    moved = cv2.resize(moved, (width, height), interpolation=cv2.INTER_LINEAR)
    moved = cv2.GaussianBlur(moved, (0, 0), max(height, width) / 8)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    bent = cv2.remap(cutout, columns + moved[..., 0], rows + moved[..., 1], cv2.INTER_LINEAR)
    towards = rng.uniform(-0.4, 0.4, 2)
    light = 1 + towards[0] * (2 * columns / width - 1) + towards[1] * (2 * rows / height - 1)
    lit = (bent[..., :3] * light[..., None]).clip(0, 255).astype(np.uint8)
    return np.dstack([lit, bent[..., 3]])


def from_elsewhere(cutout: np.ndarray, rng: np.random.Generator, side: float) -> np.ndarray | None:
    """A cut-out turned, stretched and in perspective.

    Args:
        cutout: (H, W, 4) uint8.
        rng: Everything random comes from it.
        side: About the longer side of what is returned, in pixels.

    Returns:
        (h, w, 4) uint8; None where nothing is left of it.
    """
    height, width = cutout.shape[:2]
    zoom = side / max(height, width)
    if zoom < 0.5:
        # Less than half at once would alias.
        cutout = cv2.resize(cutout, None, fx=1.5 * zoom, fy=1.5 * zoom, interpolation=cv2.INTER_AREA)
        (height, width), zoom = cutout.shape[:2], 1 / 1.5
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn, stretch = np.deg2rad(rng.normal(0, 10)), np.exp(rng.normal(0, 0.08))
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    seen = (corners - [width / 2, height / 2]) * zoom * [stretch, 1 / stretch] @ turned
    seen += rng.uniform(-0.06, 0.06, (4, 2)) * side
    seen -= seen.min(0)
    size = np.ceil(seen.max(0)).astype(int) + 1
    transform = cv2.getPerspectiveTransform(corners, seen.astype(np.float32))
    return trimmed(cv2.warpPerspective(cutout, transform, size.tolist(), flags=cv2.INTER_LINEAR))
