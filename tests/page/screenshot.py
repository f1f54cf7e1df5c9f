"""Take the picture of the page for docs/page.md, in a real browser with a real search.

python -m tests.page.screenshot
"""

import argparse
import io
from pathlib import Path

from PIL import Image

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.cli import run_cli
from focus_mmdet.errors import InputError
from focus_mmdet.page.finder import Finder
from focus_mmdet.page.server import create_app
from focus_mmdet.shipped import READY
from tests.conftest import ROOT
from tests.page.browser import Browser, find_browser
from tests.page.serving import serving

_IMAGES = ROOT / 'data/realset/images'
#: What is remembered, and what is being drawn: box in pixels.
_DUCK = _IMAGES / 'duck_toy_00000.jpg', (126, 106, 373, 354), 'my duck'
_TEAPOT = _IMAGES / 'teapot_00000.jpg', (160, 54, 416, 290), 'the teapot'
_QUERIES = [
    *(_IMAGES / f'duck_toy_0000{number}.jpg' for number in (1, 2, 3)),
    *(_IMAGES / f'{name}_00001.jpg' for name in ('teapot', 'red_cartoon', 'robot_toy')),
]
_SIZE = 1180, 1150


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--config', default=READY)
    parser.add_argument('--checkpoint')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/page.png')
    args = parser.parse_args()
    if (program := find_browser()) is None:
        raise InputError('no Chromium: apt-get install chromium, or set CHROMIUM')
    app = create_app(Finder(InContextInferencer(args.config, args.checkpoint)), ROOT / 'data')
    browser = Browser(program, *_SIZE)
    with serving(app) as place:
        try:
            browser.open(place)
            _search(browser)
            picture = Image.open(io.BytesIO(browser.screenshot())).convert('RGB')
        finally:
            browser.close()
    # Photographs as PNG are large; of few colours they are not.
    picture.quantize(128, dither=Image.Dither.NONE).save(args.out, optimize=True)
    print(f'{args.out}: {args.out.stat().st_size / 1000:.0f} KB')


def _draw(browser: Browser, path: Path, box: tuple[int, ...], name: str) -> None:
    browser.choose('#support-files', [path])
    browser.wait('document.querySelector("#supports img")?.naturalWidth')
    x, y, width, height = browser.rectangle('#supports img')
    with Image.open(path) as image:
        across, down = width / image.width, height / image.height
    x1, y1, x2, y2 = box
    browser.drag((x + x1 * across, y + y1 * down), (x + x2 * across, y + y2 * down))
    browser.value(f'document.querySelector("#name").value = {name!r}')


def _search(browser: Browser) -> None:
    _draw(browser, *_DUCK)
    browser.click('#remember button')
    browser.wait('document.querySelector("#references img")?.naturalWidth')
    _draw(browser, *_TEAPOT)
    browser.choose('#query-files', _QUERIES)
    browser.wait(f'document.querySelector("#queries").textContent.startsWith("{len(_QUERIES)} ")')
    browser.click('#search')
    browser.wait('document.querySelector("#message").textContent.startsWith("Done")')
    browser.value('window.scrollTo(0, 0)')
    browser.wait('[...document.querySelectorAll("#answers img")].every((each) => each.naturalWidth)')


if __name__ == '__main__':
    run_cli(main)
