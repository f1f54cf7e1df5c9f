"""What was found, and the files it is written to. May import ``datasets``; imports no model."""

from focus_mmdet.results.located import Located

__all__ = ['Located']
