"""What the converters in ``tools/dataset_converters`` share. May import the rest of ``datasets``."""
