"""MOTChallenge's text format."""

from collections.abc import Sequence

from focus_mmdet.results.located import Located


def mot_lines(number: int, found: Sequence[Located]) -> list[str]:
    """A frame's lines ``frame,id,left,top,width,height,score,-1,-1,-1``, one for each object that is there.

    Frames, ids and pixels are counted from 1, as in MOTChallenge.

    Args:
        number: Of the frame, counted from 0.
        found: One answer a reference; their places make the ids.
    """
    lines = []
    for track, located in enumerate(found, start=1):
        if located.box is not None:
            x1, y1, x2, y2 = located.box
            numbers = (x1 + 1, y1 + 1, x2 - x1, y2 - y1)
            box = ','.join(f'{value:.2f}' for value in numbers)
            lines.append(f'{number + 1},{track},{box},{located.score:.4f},-1,-1,-1')
    return lines
