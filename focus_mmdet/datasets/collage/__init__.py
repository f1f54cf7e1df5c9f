"""Photographs and drawings cut out, seen anew and put together, with exact boxes.

Imports nothing of ``datasets``.
"""
