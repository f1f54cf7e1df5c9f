"""A page whose finder answers without a model."""

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from focus_mmdet.datasets.image_file import read_image
from focus_mmdet.errors import InputError
from focus_mmdet.page.finder import Unread
from focus_mmdet.page.server import create_app
from focus_mmdet.results.located import Located


class FakeFinder:
    """Finds every object in the upper left quarter, the surer the later; a file named absent has none.

    Attributes:
        asked: Queries so far.
        remembered: The supports of each reference.
        not_this: Names of the look-alikes of the latest question; the first takes the place of all.
        tiles: Of the latest search.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.remembered: list[list] = []
        self.not_this: list[str] = []
        self.tiles = 0

    def remember(self, supports, name):
        self.remembered.append(supports)
        images = [mmcv.bgr2rgb(read_image(path)) for path, _ in supports]
        return SimpleNamespace(name=name, images=images, boxes=[box for _, box in supports])

    def file(self, reference) -> bytes:
        return reference.name.encode()

    def recall(self, path: Path):
        return SimpleNamespace(name='recalled', images=[np.zeros((9, 9, 3), np.uint8)], boxes=[(0, 0, 3, 3)])

    def ask(self, queries, references, not_this, batch_size, tiles):
        self.tiles = tiles
        self.not_this = [each.name for each in not_this]
        unread = []
        for query in queries:
            self.asked.append(query)
            try:
                height, width = read_image(query).shape[:2]
            except InputError as error:
                unread.append(Unread(query, str(error)))
                continue
            for reference in references:
                instead = self.not_this[0] if self.not_this else None
                absent = 'absent' in query or instead is not None
                yield Located(
                    query=query,
                    frame=None,
                    reference=reference.name,
                    size=(width, height),
                    box=None if absent else (0, 0, width / 2, height / 2),
                    score=0 if absent else min(1, len(self.asked) / 10),
                    absent=absent,
                    answer='',
                    instead=instead,
                )
        yield from unread

    def attention(self, query, reference, not_this, tiles):
        self.not_this = [each.name for each in not_this]
        return np.full((20, 60, 3), 255, np.uint8)


@pytest.fixture
def finder() -> FakeFinder:
    return FakeFinder()


@pytest.fixture
def root(tmp_path) -> Path:
    """A served folder with pictures in it and below it, and what is not to be served beside it."""
    folder = tmp_path / 'pictures'
    (folder / 'trip').mkdir(parents=True)
    for name in ('a.png', 'trip/b.png', 'trip/absent.png', '../secret.png'):
        (folder / name).write_bytes(png())
    (folder / 'notes.txt').write_text('no picture')
    return folder


@pytest.fixture
def page(finder, root) -> Callable[..., TestClient]:
    """A client of the page."""
    clients = []

    def make(**settings) -> TestClient:
        settings = {'root': root, **settings}
        clients.append(TestClient(create_app(finder, **settings), base_url='http://localhost:8000'))
        return clients[-1].__enter__()

    yield make
    for client in clients:
        client.__exit__(None, None, None)


def png(width: int = 40, height: int = 30, kind: str = 'png', **options) -> bytes:
    """The file of a grey picture."""
    file = io.BytesIO()
    Image.new('RGB', (width, height), 'grey').save(file, kind, **options)
    return file.getvalue()


def upload(client: TestClient, content: bytes, name: str = 'cup.png', path: str = '/api/images', **headers):
    """The answer to an uploaded file."""
    headers = {'Content-Type': 'application/octet-stream', **headers}
    return client.post(path, params={'name': name}, content=content, headers=headers)


def remember(client: TestClient, name: str = 'cup', box=(4, 5, 20, 25)) -> str:
    """The id of a reference with one support."""
    image = upload(client, png()).json()['id']
    answer = client.post('/api/references', json={'name': name, 'supports': [{'image': image, 'box': box}]})
    assert answer.status_code == 200, answer.text
    return answer.json()['id']
