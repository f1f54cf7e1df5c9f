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
