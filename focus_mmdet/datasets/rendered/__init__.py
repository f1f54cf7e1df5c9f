"""Views of 3D models: reading them, finding them in catalogues, rendering.

Imports nothing of ``datasets``.
"""
