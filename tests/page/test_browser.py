"""The page in a real browser. Skipped where there is none: see CONTRIBUTING.md."""

import io
import json
import threading
import time
from collections.abc import Iterator

import anyio
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

from focus_mmdet.page.references import References
from focus_mmdet.page.server import create_app
from tests.page.browser import Browser, find_browser
from tests.page.conftest import png
from tests.page.serving import serving

pytestmark = pytest.mark.skipif(find_browser() is None, reason='no Chromium: apt-get install chromium')
_IMAGE = 'document.querySelector("#supports img")'
_SHOWN = f'{_IMAGE}?.complete && {_IMAGE}.naturalWidth > 0'
_COLLECT = """
window.wrong = [];
for (const kind of ["error", "unhandledrejection", "securitypolicyviolation"]) {
  window.addEventListener(kind, (event) => wrong.push(`${kind} ${event.message ?? event.blockedURI}`));
}
"""
_CORNERS = '[...document.querySelectorAll("#supports .corners input")].map((each) => each.valueAsNumber)'


@pytest.fixture(scope='module')
def window() -> Iterator[Browser]:
    browser = Browser(find_browser(), 1280, 900)
    yield browser
    browser.close()


@pytest.fixture
def browser(window, finder, root) -> Iterator[Browser]:
    """The page, opened, with what it says is wrong collected in ``wrong``."""
    with serving(create_app(finder, root)) as place:
        window.open(place)
        window.value(_COLLECT)
        yield window
        assert window.value('wrong') == []
        # The server does not wait for a page that keeps its connection.
        window.open('about:blank#')


def photograph(width: int, height: int, box: list[int], orientation: int) -> bytes:
    """A JPEG, black but for a white box in it as it is seen when it is turned as its EXIF tag says."""
    seen = np.zeros((height, width), np.uint8)
    seen[box[1] : box[3], box[0] : box[2]] = 255
    stored = {1: seen, 3: np.rot90(seen, 2), 6: np.rot90(seen, 1), 8: np.rot90(seen, -1)}[orientation]
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(file, 'jpeg', quality=95, exif=exif.tobytes())
    return file.getvalue()


def settled(browser: Browser) -> bytes:
    """A screenshot of the window when all is painted."""
    browser.value(f'{_IMAGE}.decode().then(() => new Promise(requestAnimationFrame))')
    before, now = b'', browser.screenshot()
    while before != now:
        before, now = now, browser.screenshot()
    return now


def white_box(browser: Browser) -> list[int]:
    """Corners of what is white in the picture, as the window shows it."""
    seen = np.asarray(Image.open(io.BytesIO(settled(browser))).convert('L')).copy()
    for part in ('.frame', '.stage'):
        left, top, width, height = map(round, browser.rectangle(f'#supports {part}'))
        inside = np.zeros(seen.shape, bool)
        inside[max(0, top + 1) : top + height - 1, max(0, left + 1) : left + width - 1] = True
        seen[~inside] = 0
    rows, columns = np.flatnonzero((seen > 128).any(1)), np.flatnonzero((seen > 128).any(0))
    return [int(each) for each in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]


@pytest.mark.parametrize(
    ('width', 'height', 'orientation', 'touch'),
    [
        (200, 150, 1, False),
        (200, 300, 3, True),
        (640, 480, 1, True),
        (1500, 4000, 1, False),
        (3000, 4000, 6, True),
        (6000, 4000, 1, True),
        (4000, 6000, 8, False),
    ],
)
def test_a_drawn_box_arrives_within_a_pixel(browser, finder, tmp_path, width, height, orientation, touch):
    left, top = round(0.7 * width), round(0.6 * height)
    white = [left, top, left + min(300, width // 5), top + min(200, height // 5)]
    (tmp_path / 'photo.jpg').write_bytes(photograph(width, height, white, orientation))
    browser.choose('#support-files', [tmp_path / 'photo.jpg'])
    browser.wait(_SHOWN)

    # In actual size: from corner to corner of what is seen in the window.
    browser.click('#supports .zoom')
    browser.wait(f'{_SHOWN} && {_IMAGE}.naturalWidth === {width}')
    browser.value(f'document.querySelector("#supports .frame").scrollTo({left - 40}, {top - 40})')
    x1, y1, x2, y2 = white_box(browser)
    browser.drag((x1, y1), (x2, y2), touch)
    assert browser.value(_CORNERS) == pytest.approx(white, abs=1)
    assert browser.rectangle('#supports .box') == pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=1)

    # As large as the window allows: at places between its pixels, from the lower right to the upper left.
    browser.click('#supports .zoom')
    browser.wait(_SHOWN)
    browser.value('document.querySelector("#supports .frame").scrollIntoView()')
    x, y, shown_width, shown_height = browser.rectangle('#supports img')
    assert shown_width / shown_height == pytest.approx(width / height, rel=0.01)
    drawn = [round(0.1 * width), round(0.15 * height), round(0.93 * width), round(0.88 * height)]
    scale = np.array([shown_width / width, shown_height / height] * 2)
    x1, y1, x2, y2 = (np.array(drawn) * scale + [x, y, x, y]).tolist()
    browser.drag((x2, y2), (x1, y1), touch)
    browser.value('document.querySelector("#name").focus()')
    browser.type('box')
    browser.click('#remember button')
    browser.wait('document.querySelector("#references li")')
    ((_, arrived),) = finder.remembered[0]
    assert arrived == pytest.approx(drawn, abs=1)


def test_a_box_may_be_typed_and_a_click_is_none(browser, finder, tmp_path):
    (tmp_path / 'photo.png').write_bytes(png(400, 300))
    browser.choose('#support-files', [tmp_path / 'photo.png'])
    browser.wait(_SHOWN)
    for index, value in enumerate([10, 20, 110, 220]):
        browser.value(
            f'(() => {{ const input = document.querySelectorAll("#supports .corners input")[{index}];'
            f'input.value = {value}; input.dispatchEvent(new Event("change")); }})()'
        )
    x, y, _, _ = browser.rectangle('#supports .box')
    browser.click('#supports .stage')
    assert browser.value(_CORNERS) == [10, 20, 110, 220]
    left, top, _, _ = browser.rectangle('#supports img')
    x, y, width, height = browser.rectangle('#supports .box')
    assert [x - left, y - top, width, height] == pytest.approx([10, 20, 100, 200], abs=0.1)


def says(browser, selector, words):
    """Waits until it does: the page fills itself in a moment after it is loaded."""
    browser.wait(f'document.querySelector("{selector}").textContent === {json.dumps(words)}')


def text(browser: Browser, selector: str) -> str:
    return browser.value(f'document.querySelector({selector!r}).textContent')


def test_remembering_needs_no_scrolling(browser, tmp_path):
    (tmp_path / 'photo.png').write_bytes(png(800, 900))
    size = dict(width=1280, deviceScaleFactor=1, mobile=False)
    browser('Emulation.setDeviceMetricsOverride', height=600, **size)
    try:
        browser.choose('#support-files', [tmp_path / 'photo.png'])
        browser.wait(_SHOWN)
        _, top, _, height = browser.rectangle('#remember button')
        assert top + height <= 600
    finally:
        browser('Emulation.setDeviceMetricsOverride', height=900, **size)


def test_an_object_is_shown_and_found(browser, finder, root, tmp_path):
    evil = '<img src=x onerror=wrong.push(1)>.png'
    for name in ('cup.png', evil, 'broken.png'):
        (tmp_path / name).write_bytes(b'no picture' if name == 'broken.png' else png(400, 300))
    browser.choose('#support-files', [tmp_path / 'cup.png'])
    browser.wait(_SHOWN)
    assert browser.value('document.querySelector("#search").disabled')
    says(browser, '#missing', 'First show an object and remember it (1), and choose where to look (3).')
    assert (text(browser, '#results-title'), text(browser, '#state')) == ('Results', 'Nothing yet.')
    x, y, _, _ = browser.rectangle('#supports img')
    browser.drag((x + 20, y + 30), (x + 120, y + 130))
    browser.value('document.querySelector("#name").value = "cup"')
    browser.click('#remember button')
    browser.wait('document.querySelector("#references img")?.complete')
    assert text(browser, '#references .title') == 'cup'
    says(browser, '#message', 'cup remembered. Now choose where to look.')
    says(browser, '#missing', 'First choose where to look (3).')

    browser.choose('#query-files', [tmp_path / evil, tmp_path / 'broken.png'])
    browser.wait('document.querySelector("#message").textContent.includes("broken.png")')
    for number in range(4):
        (root / 'trip' / f'{number}.png').write_bytes(png())
    browser.click('#references input')
    says(browser, '#missing', 'First tick what to look for (2).')
    browser.click('#references input')
    browser.click('#folder')
    browser.type('trip')  # ticks it
    says(browser, '#missing', '')
    browser.click('#search')
    browser.wait('document.querySelector("#message").textContent === "Done: 7 of 7 searched."')
    listed = '[...document.querySelectorAll("#answers h3, #answers .title")].map((each) => each.textContent)'
    assert browser.value(listed) == [
        'Likely (2)',
        *('trip/b.png', 'trip/3.png'),
        'Unlikely, score below 0.5 (5)',
        *('trip/2.png', 'trip/1.png', 'trip/0.png', evil, 'trip/absent.png'),
    ]
    assert browser.value('document.querySelectorAll("#answers .unlikely").length') == 5
    browser.wait('document.querySelector("#answers img").complete')
    _, _, width, height = browser.rectangle('#answers img')
    _, _, found_width, found_height = browser.rectangle('#answers .box')
    assert [found_width, found_height] == pytest.approx([width / 2, height / 2], abs=1)

    link = 'document.querySelector("#exports [data-kind=csv]").href'
    assert evil in browser.value(f'fetch({link}).then((response) => response.text())')

    browser.click('#answers button')
    browser.wait('document.querySelector("#closer img").naturalWidth === 60')
    browser.click('#closer button')
    browser.value('document.querySelector("#references button").click()')
    browser.wait('!document.querySelector("#references li")')


def test_a_reference_that_comes_while_the_page_begins_is_listed_once(
    window, finder, root, tmp_path, monkeypatch
):
    listed = References.all

    async def late(self, request):
        while not self.known:
            await anyio.sleep(0.01)
        await anyio.sleep(0.3)
        return await listed(self, request)

    monkeypatch.setattr(References, 'all', late)
    (tmp_path / 'saved.focus').write_bytes(save({'image_0': np.frombuffer(png(), np.uint8)}))
    with serving(create_app(finder, root)) as place:
        window.open(place)
        window.choose('#reference-file', [tmp_path / 'saved.focus'])
        window.wait('document.querySelector("#references li")')
        window.wait(
            'performance.getEntriesByType("resource").some('
            '({ name, responseEnd }) => name.endsWith("/api/references") && responseEnd)'
        )
        window.value('new Promise(requestAnimationFrame)')
        assert window.value('document.querySelectorAll("#references li").length') == 1
        window.open('about:blank#')


def test_a_look_alike_takes_the_place_of_what_is_looked_for(browser, tmp_path):
    (tmp_path / 'cup.png').write_bytes(png())
    (tmp_path / 'saved.focus').write_bytes(save({'image_0': np.frombuffer(png(), np.uint8)}))
    browser.choose('#reference-file', [tmp_path / 'saved.focus'])
    # What is said last moves what lies below it.
    browser.wait('document.querySelector("#message").textContent.includes("loaded.")')
    browser.click('#in-folder')
    browser.click('#references .not-this')
    says(browser, '#missing', 'First tick what to look for (2).')
    browser.click('#references .look-for')
    says(browser, '#missing', '')
    assert not browser.value('document.querySelector("#references .not-this").checked')

    browser.choose('#support-files', [tmp_path / 'cup.png'])
    browser.wait(_SHOWN)
    x, y, _, _ = browser.rectangle('#supports img')
    browser.drag((x + 5, y + 5), (x + 25, y + 25))
    browser.value('document.querySelector("#name").value = "cup"')
    browser.click('#remember button')
    browser.wait('document.querySelectorAll("#references li").length === 2')
    browser.click('#references .not-this')
    browser.click('#search')
    browser.wait('document.querySelector("#message").textContent.startsWith("Done")')
    assert text(browser, '#answers .reference') == 'cup'
    assert text(browser, '#answers output') == 'not there, but recalled'


def test_a_search_can_be_stopped(browser, finder, root, monkeypatch):
    for number in range(50):
        (root / f'{number}.png').write_bytes(png())
    ask, may_go_on = finder.ask, threading.Event()

    def ask_slowly(*asked):
        for answer in ask(*asked):
            yield answer
            may_go_on.wait(60)

    monkeypatch.setattr(finder, 'ask', ask_slowly)
    browser.choose('#support-files', [root / 'a.png'])
    browser.wait(_SHOWN)
    x, y, _, _ = browser.rectangle('#supports img')
    browser.drag((x, y), (x + 20, y + 20))
    browser.value('document.querySelector("#name").value = "cup"')
    browser.click('#remember button')
    browser.wait('document.querySelector("#references li")')
    browser.click('#in-folder')
    browser.click('#search')
    # The first answer is there while the second is being found.
    browser.wait('document.querySelector("#answers figure")')
    assert len(finder.asked) == 1
    assert text(browser, '#state') == '1 of 53 searched.'
    exports_hidden = 'document.querySelector("#exports").hidden'
    assert browser.value(exports_hidden)
    browser.click('#stop')
    time.sleep(0.2)
    may_go_on.set()
    browser.wait('document.querySelector("#message").textContent.startsWith("Stopped after ")')
    assert text(browser, '#state') == text(browser, '#message')
    answers = browser.value('document.querySelectorAll("#answers figure").length')
    assert text(browser, '#state') == f'Stopped after {answers} of 53.'
    assert not browser.value(exports_hidden)
    assert len(finder.asked) < 10
