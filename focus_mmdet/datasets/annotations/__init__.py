"""Annotation files: how one is read, checked, and what is left out of it.

May import `episode.py` and image files beside this room.
"""
