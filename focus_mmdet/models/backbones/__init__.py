"""Vision backbones as published, to take features from.

May import ``vlm``, for the reading of model folders.
"""

from focus_mmdet.models.backbones.vision_backbone import VisionBackbone

__all__ = ['VisionBackbone']
