"""A headless Chromium, driven through its own protocol over a pipe: no driver to install.

    CHROMIUM=/path/to/chrome python -m pytest tests/page/test_browser.py

takes another one than that on the PATH.
"""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_NAMES = ('chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome', 'chrome')
_FLAGS = (
    '--headless', '--remote-debugging-pipe', '--disable-gpu', '--no-first-run', '--hide-scrollbars',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic',
)  # fmt: skip
_SECONDS = 60


def find_browser() -> str | None:
    """A Chromium of this machine."""
    return os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, _NAMES)), None)


def _element(selector: str) -> str:
    return f'document.querySelector({json.dumps(selector)})'


class Browser:
    """One tab.

    Args:
        program: The Chromium.
        width: Of the window, in pixels.
        height: Likewise.
    """

    def __init__(self, program: str, width: int, height: int) -> None:
        self.profile = TemporaryDirectory(ignore_cleanup_errors=True)
        theirs, ours = os.pipe(), os.pipe()
        flags = [*_FLAGS, f'--user-data-dir={self.profile.name}', f'--window-size={width},{height}']
        if os.geteuid() == 0:
            flags.append('--no-sandbox')
        # The protocol's pipe is what the program has as descriptors 3 and 4.
        redirected = f'exec "$@" 3<&{theirs[0]} 4>&{ours[1]}'
        self.process = subprocess.Popen(
            ['bash', '-c', redirected, 'bash', program, *flags, 'about:blank'],
            pass_fds=(theirs[0], ours[1]),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs[0])
        os.close(ours[1])
        self.commands, self.replies = os.fdopen(theirs[1], 'wb', 0), os.fdopen(ours[0], 'rb')
        self.number, self.rest, self.tab = 0, b'', {}
        (target,) = [each for each in self('Target.getTargets')['targetInfos'] if each['type'] == 'page']
        attached = self('Target.attachToTarget', targetId=target['targetId'], flatten=True)
        self.tab = {'sessionId': attached['sessionId']}
        self(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol, and return its result."""
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': parameters, **self.tab}
        self.commands.write(json.dumps(message).encode() + b'\0')
        while True:
            reply = self._reply()
            if reply.get('id') == self.number:
                break
        if 'error' in reply:
            raise RuntimeError(f'{method}: {reply["error"]}')
        return reply['result']

    def _reply(self) -> dict[str, Any]:
        while b'\0' not in self.rest:
            if not (chunk := self.replies.read1(2**20)):
                raise RuntimeError('the browser has ended')
            self.rest += chunk
        message, self.rest = self.rest.split(b'\0', 1)
        return json.loads(message)

    def open(self, address: str) -> None:
        """Load a page."""
        self('Page.navigate', url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, expression: str) -> Any:
        """What JavaScript gives in the page."""
        result = self('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in result:
            raise RuntimeError(f'{expression}: {result["exceptionDetails"]}')
        return result['result'].get('value')

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + _SECONDS
        while not self.value(f'Boolean({expression})'):
            if time.monotonic() > deadline:
                raise TimeoutError(f'{expression}; the page says {self.value("document.body.innerText")!r}')
            time.sleep(0.02)

    def choose(self, selector: str, files: Sequence[str | Path]) -> None:
        """Choose files in an ``<input type=file>``."""
        root = self('DOM.getDocument')['root']['nodeId']
        node = self('DOM.querySelector', nodeId=root, selector=selector)['nodeId']
        self('DOM.setFileInputFiles', nodeId=node, files=[str(Path(file).resolve()) for file in files])

    def click(self, selector: str) -> None:
        """Click the middle of an element, which is scrolled to, once it stands still."""
        self.value(f'{_element(selector)}.scrollIntoView({{block: "center"}})')
        before, now = None, self.rectangle(selector)
        while now != before:
            time.sleep(0.05)
            before, now = now, self.rectangle(selector)
        x, y, width, height = now
        middle = x + width / 2, y + height / 2
        self.drag(middle, middle)

    def rectangle(self, selector: str) -> list[float]:
        """x, y, width and height of an element in the window, in CSS pixels."""
        found = self.value(f'{_element(selector)}.getBoundingClientRect().toJSON()')
        return [found[each] for each in ('x', 'y', 'width', 'height')]

    def drag(self, start: Sequence[float], end: Sequence[float], touch: bool = False) -> None:
        """Press at one place of the window, in CSS pixels, and release at another."""
        middle = [(a + b) / 2 for a, b in zip(start, end, strict=True)]
        for place, (mouse, finger) in zip(
            (start, middle, end, end),
            (('Pressed', 'Start'), ('Moved', 'Move'), ('Moved', 'Move'), ('Released', 'End')),
            strict=True,
        ):
            x, y = place
            if touch:
                points = [] if finger == 'End' else [{'x': x, 'y': y}]
                self('Input.dispatchTouchEvent', type=f'touch{finger}', touchPoints=points)
            else:
                self('Input.dispatchMouseEvent', type=f'mouse{mouse}', x=x, y=y, button='left', clickCount=1)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self('Input.insertText', text=text)

    def screenshot(self, kind: str = 'png') -> bytes:
        """The file of a picture of the window."""
        return base64.b64decode(self('Page.captureScreenshot', format=kind)['data'])

    def close(self) -> None:
        """End the browser."""
        self.process.kill()
        self.process.wait()
        self.commands.close()
        self.replies.close()
        self.profile.cleanup()
