"""Where the frames of videos used to be read."""

from focus_mmdet.datasets.video import SUFFIXES, is_video, read_frames

__all__ = ['SUFFIXES', 'is_video', 'read_frames']
