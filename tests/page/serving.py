"""The page at a real address, served by a thread of this process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.applications import Starlette

from focus_mmdet.page.server import address, listen, server


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Where the page is."""
    listening = listen('127.0.0.1', 0)
    running = server(app)
    thread = threading.Thread(target=running.run, kwargs={'sockets': [listening]})
    thread.start()
    try:
        while not running.started:
            time.sleep(0.01)
        yield address(listening)
    finally:
        running.should_exit = True
        thread.join()
        listening.close()
