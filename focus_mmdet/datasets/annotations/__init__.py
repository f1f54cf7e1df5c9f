"""Annotation files: how one is read, checked, and what is left out of it.

May import the episodes and image files beside this room.
"""
