"""What a small model practises before it trains, on features of any pictures."""

from focus_mmdet.engine.practice.reading import FINDING, practise_reading

__all__ = ['FINDING', 'practise_reading']
