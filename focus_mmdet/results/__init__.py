"""What was found, and the files it is written to.

May import ``core`` and ``datasets``; imports no model.
"""

from focus_mmdet.results.formats import FORMATS, ResultFiles
from focus_mmdet.results.located import Located

__all__ = ['FORMATS', 'Located', 'ResultFiles']
