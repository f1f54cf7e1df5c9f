import errno
import io
import pickle
import re
import struct
import zlib
from pathlib import Path

import pytest

from focus_mmdet.errors import InputError
from focus_mmdet.page.limits import Limits
from focus_mmdet.page.security import allowed_hosts, inside
from tests.page.conftest import png, upload


@pytest.mark.parametrize(
    ('host', 'status'),
    [
        ('localhost:8000', 200),
        ('127.0.0.1', 200),
        ('[::1]:8000', 200),
        ('evil.example', 403),
        ('localhost.evil.example:8000', 403),
        ('localhost@evil.example', 403),
        ('192.168.0.7:8000', 403),
        ('localhost:port', 403),
        ('', 403),
    ],
)
def test_a_name_that_was_pointed_here_is_turned_away(page, host, status):
    assert page().get('/api/references', headers={'Host': host}).status_code == status


def test_two_hosts_are_turned_away(page):
    headers = [('Host', 'localhost'), ('Host', 'evil.example')]
    assert page().get('/', headers=headers).status_code == 403


@pytest.mark.parametrize(
    ('listening', 'named', 'host', 'status'),
    [
        ('0.0.0.0', [], '192.168.0.7:8000', 200),
        ('0.0.0.0', [], 'evil.example', 403),
        ('0.0.0.0', ['Box.lan'], 'box.lan:8000', 200),
        ('192.168.0.7', [], '192.168.0.7', 200),
        ('192.168.0.7', [], '192.168.0.8', 403),
    ],
)
def test_a_page_for_the_network_has_the_names_that_were_allowed(page, listening, named, host, status):
    client = page(hosts=allowed_hosts(listening, named))
    assert client.get('/', headers={'Host': host}).status_code == status


@pytest.mark.parametrize(
    ('headers', 'status'),
    [
        ({}, 200),
        ({'Origin': 'http://localhost:8000', 'Sec-Fetch-Site': 'same-origin'}, 200),
        ({'Origin': 'http://evil.example'}, 403),
        ({'Origin': 'http://localhost:9000'}, 403),
        ({'Origin': 'null'}, 403),
        ({'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors'}, 403),
        ({'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'navigate'}, 403),
    ],
)
def test_another_page_cannot_send_anything(page, headers, status):
    assert upload(page(), png(), **headers).status_code == status


def test_another_page_may_link_here_but_not_look(page):
    elsewhere = {'Sec-Fetch-Site': 'cross-site'}
    client = page()
    assert client.get('/', headers={**elsewhere, 'Sec-Fetch-Mode': 'navigate'}).status_code == 200
    assert (
        client.get('/api/references', headers={**elsewhere, 'Sec-Fetch-Mode': 'no-cors'}).status_code == 403
    )


@pytest.mark.parametrize('kind', ['text/plain', 'multipart/form-data; boundary=x', ''])
def test_what_a_form_can_send_is_not_taken(page, kind):
    client = page()
    assert upload(client, png(), **{'Content-Type': kind}).status_code == 415
    answer = client.post('/api/references', content=b'{"name": "cup"}', headers={'Content-Type': kind})
    assert answer.status_code == 415


def test_every_answer_says_what_a_browser_may_do_with_it(page):
    client = page()
    for path in ('/', '/static/page.js', '/api/references', '/nothing'):
        headers = client.get(path).headers
        assert "default-src 'none'; script-src 'self'" in headers['content-security-policy']
        assert headers['x-content-type-options'] == 'nosniff'
    assert 'content-security-policy' in client.get('/', headers={'Host': 'evil.example'}).headers


def test_the_page_runs_under_its_own_policy():
    static = Path(__file__).parents[2] / 'focus_mmdet/page/static'
    html, script = (static / 'index.html').read_text(), (static / 'page.js').read_text()
    assert ' style=' not in html
    assert not re.findall(r'<[^>]* on\w+=', html)
    assert '<script>' not in html
    # Names are shown as text, whatever they hold.
    assert not [word for word in ('innerHTML', 'outerHTML', 'insertAdjacentHTML', 'eval(') if word in script]


@pytest.mark.parametrize(
    'relative',
    ['..', '../secret.png', 'trip/../../secret.png', '/etc/passwd', 'a.png\0.txt', 'out/secret.png',
     'link.png', 'loop/x', 'x' * 5000, '~', 'gone', '\ud800', '.hid', '.hid/a.png'],
)  # fmt: skip
def test_no_path_leads_out_of_the_served_folder(root, relative):
    (root / 'out').symlink_to(root.parent)
    (root / 'link.png').symlink_to(root.parent / 'secret.png')
    (root / 'loop').symlink_to(root / 'loop')
    (root / '.hid').mkdir()
    (root / '.hid/a.png').write_bytes(png())
    with pytest.raises(InputError, match='no such file or folder in the served one'):
        inside(root, relative)


def test_a_served_folder_may_be_a_link_and_hold_links_to_itself(root):
    (root / 'again.png').symlink_to(root / 'a.png')
    (root.parent / 'served').symlink_to(root)
    assert inside(root.parent / 'served', 'again.png') == root / 'a.png'


def test_an_upload_that_is_too_large_leaves_nothing(page, finder):
    client = page(limits=Limits(upload=5000))
    assert upload(client, b'x' * 5001).status_code == 413

    def unannounced():
        yield from [b'x' * 2000] * 3

    headers = {'Content-Type': 'application/octet-stream'}
    answer = client.post('/api/images', content=unannounced(), headers=headers)
    assert answer.status_code == 413
    assert answer.json() == {'error': 'more than the 5,000 bytes allowed'}
    assert upload(client, png()).status_code == 200


def test_a_full_disk_is_said_and_leaves_nothing(page, monkeypatch):
    client, kept = page(), []

    class Full(io.BytesIO):
        def write(self, content):
            raise OSError(errno.ENOSPC, 'No space left on device')

    def full(path, mode):
        kept.append(path)
        path.touch()
        return Full()

    monkeypatch.setattr(Path, 'open', full)
    answer = upload(client, png())
    assert answer.status_code == 422
    assert 'No space left on device' in answer.json()['error']
    assert not kept[0].exists()


def test_all_uploads_together_have_a_limit(page):
    client = page(limits=Limits(uploads=len(png()) + 10))
    assert upload(client, png()).status_code == 200
    assert upload(client, png()).status_code == 413


def bomb() -> bytes:
    """A PNG of a few bytes that says it is 20,000 x 20,000."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))
        )

    header = struct.pack('>IIBBBBB', 20_000, 20_000, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', b'') + chunk(b'IEND', b'')


def test_a_decompression_bomb_is_not_decoded(page, root, finder, monkeypatch):
    monkeypatch.setattr('focus_mmdet.page.pictures.read_image', lambda path: pytest.fail('decoded'))
    client = page(limits=Limits(pixels=1000))
    assert upload(client, png(40, 30)).json() == {
        'error': 'cup.png: 40 x 30 pixels are more than the 1,000 allowed. '
        'Make it smaller, or start focus page with a larger --max-megapixels'
    }
    answer = upload(page(), bomb())
    assert answer.status_code == 422
    assert 'cup.png' in answer.json()['error']
    assert 'pixels' in answer.json()['error']


def test_a_pickle_is_no_reference(page, tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / 'executed',)

    answer = upload(page(), pickle.dumps(Evil()), path='/api/references/file')
    assert answer.status_code == 422
    assert answer.json()['error'].startswith('the file: not a reference that was saved here')
    assert not (tmp_path / 'executed').exists()
