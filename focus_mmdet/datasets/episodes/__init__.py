"""Episodes drawn from tracks: samplers, the columns that hold them, the file that keeps them between starts.

Imports ``annotations`` and files of ``datasets`` that import nothing of this room.
"""
