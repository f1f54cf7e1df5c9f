"""Checkpoints: written whole, loaded without running what is in them.

May import ``models`` and the helpers of ``engine``.
"""
