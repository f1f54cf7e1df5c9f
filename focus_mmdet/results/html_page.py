"""A page of what was found, best first, in one file that needs nothing else."""

import base64
import heapq
import os
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import mmcv
import numpy as np

from focus_mmdet.datasets.conversion.output_file import whole_file
from focus_mmdet.datasets.episode import Box
from focus_mmdet.results.located import LIKELY, Located
from focus_mmdet.results.query_images import QueryImages
from focus_mmdet.results.result_writer import ResultWriter, printable

#: Longer side of a thumbnail, in pixels.
SIDE = 256
_COLOUR, _EDGE = (255, 214, 0), (0, 0, 0)
_BEGINNING = '<!doctype html>\n<meta name="generator" content="focus_mmdet">'
_HEAD = f"""{_BEGINNING}
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }}
body {{ margin: 1rem }}
.found {{ display: grid; gap: .8rem; padding: 0 }}
.found {{ grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)) }}
.found li {{ list-style: none; content-visibility: auto; contain-intrinsic-size: 200px 240px }}
.found img {{ display: block; width: 100%; height: 180px; object-fit: contain; background: #8882 }}
li {{ overflow-wrap: anywhere }}
h2 {{ margin-top: 2rem; padding-top: .5rem; border-top: 3px solid; font-size: 1rem }}
.part {{ padding: .5rem 1rem; background: #fa05; font-weight: bold }}
</style>
"""


class _Card(NamedTuple):
    score: float
    #: Later ones count as worse, and keep cards from being compared.
    order: int
    html: str


class _Search:
    """What became of one reference."""

    def __init__(self) -> None:
        self.asked = self.found = self.likely = self.absent = 0
        self.cards: list[_Card] = []
        self.without: list[str] = []


class HtmlPage(ResultWriter):
    """A page for each search: thumbnails with boxes, the surest first, and the names of the rest.

    A line parts what is likely there (:data:`LIKELY`) from guesses.
    It holds no script and loads nothing; each name leads to its file on this machine.

    Args:
        path: The file to write, at the end of the block.
        images: Shows the queries once more.
        most: So many are shown of each reference, the best ones, and as many names of the rest.
        total: How many pictures are to be searched, where that is known. The page begins with how many
            were, where these are fewer, or where an error or Ctrl-C ends the block.
    """

    beginning = _BEGINNING

    def __init__(
        self, path: str | Path, images: QueryImages, most: int = 1000, total: int | None = None
    ) -> None:
        super().__init__(path)
        self.total = total
        self.images = images
        self.most = most
        self._searches: dict[str, _Search] = {}

    def write(self, located: Located) -> None:
        search = self._searches.setdefault(located.reference, _Search())
        search.asked += 1
        search.absent += located.box is None and located.absent
        if located.box is None:
            if len(search.without) < self.most:
                search.without.append(self._link(located))
            return
        search.found += 1
        search.likely += located.is_likely
        full = len(search.cards) >= self.most
        if full and located.score <= search.cards[0].score:
            return
        card = _Card(located.score, -search.asked, self._card(located, located.box))
        (heapq.heapreplace if full else heapq.heappush)(search.cards, card)

    def __exit__(self, *error: Any) -> None:
        names = ', '.join(map(_text, self._searches)) or 'nothing'
        with whole_file(self.path) as file:
            file.write(f'{_HEAD}<title>Found: {names}</title>\n')
            file.write(self._searched(ended_early=any(error)))
            for name, search in self._searches.items():
                file.writelines(_section(name, search))

    def _searched(self, ended_early: bool) -> str:
        """How much of all this page knows; nothing where it is all."""
        searched = max((search.asked for search in self._searches.values()), default=0)
        if not ended_early and searched >= (self.total or 0):
            return ''
        of = '' if self.total is None else f' of {self.total}'
        why = ': the search was ended early' if ended_early else ': the others could not be read'
        return f'<p class="part">{searched}{of} pictures searched{why}.</p>\n'

    def _card(self, located: Located, box: Box) -> str:
        pixels = self.images.pixels(located, SIDE)
        image = '' if pixels is None else f'<img alt="" src="{_data(_thumbnail(pixels, located.size, box))}">'
        return f'<li>{image}<b>{located.score:.2f}</b> {self._link(located)}</li>\n'

    def _link(self, located: Located) -> str:
        path, frame = self.images.place(located)
        name = _text(located.query if located.frame is None else f'{located.query}, frame {frame}')
        # Names may turn the direction of what follows them.
        name = f'<bdi>{name}</bdi>'
        if not os.path.isabs(path) or not os.path.isfile(path):
            return name
        return f'<a href="{escape(Path(path).as_uri())}">{name}</a>'


def _section(name: str, search: _Search) -> list[str]:
    shown = sorted(search.cards, reverse=True)
    likely = [card.html for card in shown if card.score >= LIKELY]
    guesses = [card.html for card in shown if card.score < LIKELY]
    others = '; the others are best guesses, the least likely last' if search.found > search.likely else ''
    more = f' The best {len(shown)} are shown.' if len(shown) < search.found else ''
    lines = [
        f'<h1><bdi>{_text(name)}</bdi></h1>\n',
        f'<p>Likely in {search.likely} of {search.asked} pictures{others}.{more}</p>\n',
        *_cards(likely),
    ]
    if guesses:
        lines += [f'<h2>Best guesses: scores below {LIKELY}</h2>\n', *_cards(guesses)]
    if left := search.asked - search.found:
        lines += [
            f'<details><summary>{left} without a box; of {search.absent} of them the model said '
            'that the object is not there</summary>\n<ul>\n',
            *(f'<li>{link}</li>\n' for link in search.without),
            *['<li>...</li>\n'] * (len(search.without) < left),
            '</ul>\n</details>\n',
        ]
    return lines


def _cards(cards: list[str]) -> list[str]:
    return ['<ol class="found">\n', *cards, '</ol>\n'] if cards else []


def _text(text: str) -> str:
    return escape(printable(' '.join(text.split())))


def _data(content: bytes) -> str:
    return f'data:image/jpeg;base64,{base64.b64encode(content).decode()}'


def _thumbnail(pixels: np.ndarray, size: tuple[int, int], box: Box) -> bytes:
    """A small JPEG with the box in it.

    Args:
        pixels: (H, W, 3) uint8 RGB of the query, maybe smaller than it.
        size: (width, height) of the query in pixels.
        box: (x1, y1, x2, y2) in them.
    """
    scale = min(1.0, SIDE / max(pixels.shape[:2]))
    width, height = (max(1, round(side * scale)) for side in pixels.shape[1::-1])
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    x1, y1, x2, y2 = (
        round(value / whole * (side - 1))
        for value, whole, side in zip(box, size * 2, (width, height) * 2, strict=True)
    )
    for colour, thickness in ((_EDGE, 4), (_COLOUR, 2)):
        cv2.rectangle(small, (x1, y1), (x2, y2), colour, thickness)
    _, content = cv2.imencode('.jpg', mmcv.rgb2bgr(small), [cv2.IMWRITE_JPEG_QUALITY, 75])
    return content.tobytes()
