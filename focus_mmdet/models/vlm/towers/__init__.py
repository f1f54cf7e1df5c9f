"""Vision towers that transformers lacks, registered with its ``AutoModel``."""

from focus_mmdet.models.vlm.towers.mobilenet_v2_grid import (
    MobileNetV2Grid,
    MobileNetV2GridConfig,
    place_code,
    place_grid,
)

__all__ = ['MobileNetV2Grid', 'MobileNetV2GridConfig', 'place_code', 'place_grid']
