"""``focus page``."""

import runpy
import sys

import pytest
import uvicorn
from starlette.testclient import TestClient

from focus_mmdet.errors import InputError
from tests.conftest import ROOT


def page(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, 'argv', ['page.py', *arguments])
    runpy.run_path(str(ROOT / 'tools/page.py'))['main']()


def test_it_serves_the_shipped_model_to_this_machine(monkeypatch, capsys, root):
    served = []
    monkeypatch.setattr(uvicorn.Server, 'run', lambda self, sockets: served.append((self, *sockets)))
    page(monkeypatch, '--port', '0', '--root', str(root), '--allow-host', 'box.lan', '--max-megapixels', '3')
    ((server, listening),) = served
    host, port = listening.getsockname()
    assert host == '127.0.0.1'
    assert f'http://127.0.0.1:{port}/' in capsys.readouterr().out
    listening.close()
    with TestClient(server.config.app, base_url='http://box.lan') as client:
        assert client.get('/api/folders').json() == ['trip']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--root', 'gone'], '--root gone: no such folder'),
        (['--port', '70000'], '--port=70000: give a number at least 0 and at most 65535'),
        (['--max-upload', '0'], 'max-upload'),
        (['--max-megapixels', '-1'], 'max-megapixels'),
    ],
)
def test_what_cannot_be_served_is_said_before_a_model_is_loaded(monkeypatch, arguments, message):
    monkeypatch.setattr('focus_mmdet.apis.inferencer.load_detector', lambda *_: pytest.fail('loaded'))
    with pytest.raises(InputError, match=message):
        page(monkeypatch, *arguments)


def test_without_its_server_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(uvicorn.Server, 'run', lambda *_: pytest.fail('served'))
    monkeypatch.setitem(sys.modules, 'focus_mmdet.page.server', None)
    with pytest.raises(InputError, match=r"pip install 'focus_mmdet\[page\]'"):
        page(monkeypatch)
