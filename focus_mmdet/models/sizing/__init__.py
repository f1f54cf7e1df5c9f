"""Models without their weights: tiny ones, published sizes, dry runs. May import the rest of ``models``."""
