import asyncio
import csv
import io
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

from focus_mmdet.errors import InputError
from focus_mmdet.page.finder import ModelThread
from focus_mmdet.page.limits import Limits
from focus_mmdet.page.pictures import Picture
from focus_mmdet.page.references import Known
from focus_mmdet.page.search import Search, Told
from focus_mmdet.page.server import address, listen
from tests.page.conftest import png, remember, upload


def search(client, **asked) -> list[dict]:
    """All events of a search."""
    answer = client.post('/api/searches', json=asked)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def picture(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_a_turned_picture_is_shown_and_measured_as_it_is_seen(page):
    client, exif = page(), Image.Exif()
    exif[0x0112] = 6
    taken = upload(client, png(400, 300, 'jpeg', exif=exif.tobytes()), 'phone.jpg').json()
    assert (taken['width'], taken['height'], taken['name']) == (300, 400, 'phone.jpg')
    assert picture(client.get(f'/api/images/{taken["id"]}').content).size == (300, 400)
    small = picture(client.get(f'/api/images/{taken["id"]}?side=48').content)
    assert (small.size, small.getexif().get(0x0112)) == ((36, 48), None)


@pytest.mark.parametrize('content', [b'', b'no picture', png()[:40]])
def test_what_is_no_picture_is_named(page, content):
    client = page()
    answer = upload(client, content, 'notes <b>.txt')
    if answer.status_code == 200:  # its header is sound
        answer = client.get(f'/api/images/{answer.json()["id"]}')
    assert answer.status_code == 422
    assert 'notes <b>.txt' in answer.json()['error']
    assert answer.json()['error'].endswith('. Take another picture')
    assert '/tmp' not in answer.json()['error']


def test_a_reference_is_made_of_what_was_drawn(page, finder):
    client = page()
    images = [upload(client, png()).json()['id'] for _ in range(2)]
    asked = {'name': ' my cup ', 'supports': [{'image': key, 'box': [4, 3, 20, 15]} for key in images]}
    made = client.post('/api/references', json=asked).json()
    assert made['name'] == 'my cup'
    assert made['supports'] == [[0.1, 0.1, 0.5, 0.5]] * 2
    assert [box for _, box in finder.remembered[0]] == [[4, 3, 20, 15]] * 2
    assert client.get('/api/references').json() == [made]
    assert picture(client.get(f'/api/references/{made["id"]}/supports/1').content).size == (40, 30)


@pytest.mark.parametrize(
    ('asked', 'message'),
    [
        ({'name': 'cup', 'supports': []}, 'draw a box on at least one picture'),
        ({'name': 'cup', 'supports': [{'image': 'gone', 'box': [0, 0, 5, 5]}]}, 'Load the page again'),
        ({'name': 'cup', 'supports': [{'image': ['x'], 'box': [0, 0, 5, 5]}]}, 'Load the page again'),
        ({'name': 'cup', 'supports': ['x']}, 'a support without its image'),
        ({'name': ' ', 'supports': [{}]}, 'give the object a name'),
    ],
)
def test_a_reference_that_cannot_be_made_says_why(page, asked, message):
    answer = page().post('/api/references', json=asked)
    assert answer.status_code == 422
    assert message in answer.json()['error']


def test_one_name_is_one_reference(page):
    client = page()
    first = remember(client, 'cup')
    image = upload(client, png()).json()['id']
    again = {'name': 'cup', 'supports': [{'image': image, 'box': [0, 0, 9, 9]}]}
    long = client.post('/api/references', json={**again, 'name': 'x' * 201}).json()
    assert long['error'] == 'a name of 201 characters: give it at most 200'
    assert "there is a reference 'cup' already" in client.post('/api/references', json=again).json()['error']
    assert client.delete(f'/api/references/{first}').status_code == 204
    assert client.post('/api/references', json=again).status_code == 200


def test_a_name_that_is_no_text_leaves_the_page_usable(page):
    client = page()
    asked = {
        'name': 'x\ud800y',
        'supports': [{'image': upload(client, png()).json()['id'], 'box': [4, 3, 20, 15]}],
    }
    made = client.post(
        '/api/references', content=json.dumps(asked), headers={'content-type': 'application/json'}
    )
    assert (made.status_code, made.json()['name']) == (200, 'x\ud800y')
    assert [known['name'] for known in client.get('/api/references').json()] == ['x\ud800y']


def test_a_reference_is_saved_and_loaded(page):
    client = page()
    saved = client.get(f'/api/references/{remember(client, "Tasse ☕/..")}/file')
    assert saved.content.decode() == 'Tasse ☕/..'
    assert saved.headers['content-disposition'].endswith("''Tasse%20%E2%98%95%2F...focus")
    file = save({'image_0': np.frombuffer(png(), np.uint8)})
    loaded = upload(client, file, path='/api/references/file').json()
    assert (loaded['name'], len(loaded['supports'])) == ('recalled', 1)
    many = save({f'image_{number}': np.frombuffer(png(), np.uint8) for number in range(17)})
    assert 'holds 17 supports' in upload(client, many, path='/api/references/file').json()['error']
    large = save({'image_0': np.frombuffer(png(400, 400), np.uint8)})
    refused = upload(page(limits=Limits(pixels=1000)), large, path='/api/references/file')
    assert '400 x 400 pixels' in refused.json()['error']


def test_a_search_tells_what_it_finds(page, root, finder):
    client = page()
    cup, hat = remember(client, 'cup'), remember(client, 'hat')
    image = upload(client, png(), 'up <i>.png').json()['id']
    (root / 'trip' / 'broken.jpg').write_bytes(b'\xff\xd8no')
    (root / 'link.png').symlink_to(root.parent / 'secret.png')
    start, *events, end = search(client, references=[cup, hat], images=[image], folder='')
    assert start['queries'] == 5
    found = [event for event in events if event['kind'] == 'found']
    assert [(each['name'], each['reference']) for each in found] == [
        (name, reference)
        for name in ('up <i>.png', 'a.png', 'trip/absent.png', 'trip/b.png')
        for reference in ('cup', 'hat')
    ]
    assert found[0]['box'] == [0, 0, 20, 15]
    assert found[0]['size'] == [40, 30]
    assert [each['absent'] for each in found] == [False] * 4 + [True] * 2 + [False] * 2
    (unread,) = [event for event in events if event['kind'] == 'unread']
    assert unread['message'].startswith('image trip/broken.jpg cannot be read')
    assert unread['message'].endswith('. Take another picture')
    assert end == {'kind': 'end', 'stopped': False}
    answers = f'/api/searches/{start["search"]}/answers'
    assert picture(client.get(f'{answers}/0/picture?side=20').content).size == (20, 15)
    assert picture(client.get(f'{answers}/1/attention').content).size == (60, 20)
    assert client.get(f'{answers}/8/picture').status_code == 404


def test_small_objects_are_looked_for_in_tiles(page, finder):
    client = page()
    cup = remember(client)
    for asked, tiles in (({'small': True}, 640), ({'small': False}, 0), ({}, 0)):
        search(client, references=[cup], folder='trip', **asked)
        assert finder.tiles == tiles


def test_look_alikes_are_asked_for_and_named_in_the_answer(page, finder):
    client = page()
    cup, hat = remember(client, 'cup'), remember(client, 'hat')
    start, *found, _ = search(client, references=[cup], not_this=[hat], folder='trip')
    assert [(each['reference'], each['instead'], each['box']) for each in found] == [('cup', 'hat', None)] * 2
    assert finder.not_this == ['hat']
    client.delete(f'/api/references/{hat}')
    finder.not_this = []
    assert client.get(f'/api/searches/{start["search"]}/answers/1/attention').status_code == 200
    assert finder.not_this == ['hat']
    _, *found, _ = search(client, references=[cup], folder='trip')
    assert [each['instead'] for each in found] == [None, None]


def test_a_picture_whose_header_alone_is_sound_is_told_of(page, root):
    (root / 'trip' / 'cut.png').write_bytes(png()[:60])
    client = page()
    _, *events, _ = search(client, references=[remember(client)], folder='trip')
    (unread,) = [event for event in events if event['kind'] == 'unread']
    assert unread['message'].startswith('trip/cut.png: cannot be read')
    assert unread['message'].endswith('. Take another picture')


@pytest.mark.parametrize(
    ('asked', 'message'),
    [
        ({'references': [], 'folder': ''}, 'choose what to look for'),
        ({'references': ['CUP']}, 'choose pictures to look into'),
        ({'references': ['CUP'], 'folder': '..'}, 'no such file or folder in the served one'),
        ({'references': ['CUP'], 'folder': 'a.png'}, 'not a folder'),
        ({'references': ['gone'], 'folder': ''}, 'Load the page again'),
        ({'references': ['CUP'], 'folder': '', 'small': 'yes'}, 'small: give true or false'),
        ({'references': ['CUP'], 'not_this': ['gone'], 'folder': ''}, 'Load the page again'),
        ({'references': [], 'not_this': ['CUP'], 'folder': ''}, 'choose what to look for'),
        (
            {'references': ['CUP'], 'not_this': ['CUP'], 'folder': ''},
            '\'cup\' is to be looked for and is "not this"',
        ),
    ],
)
def test_a_search_that_cannot_begin_says_why(page, asked, message):
    client = page()
    cup = remember(client)
    asked = json.loads(json.dumps(asked).replace('CUP', cup))
    answer = client.post('/api/searches', json=asked)
    assert answer.status_code == 422
    assert message in answer.json()['error']


def test_folders_are_listed_where_one_is_served(page, root):
    (root / 'out').symlink_to(root.parent)
    (root / '.hidden').mkdir()
    (root / os.fsdecode(b'b\xff')).mkdir()  # no text in UTF-8
    assert sorted(page().get('/api/folders').json()) == ['b\udcff', 'trip']
    assert page().get('/api/folders?path=../').status_code == 422
    assert page().get('/api/settings').json() == {'root': 'pictures'}
    assert page(root=None).get('/api/settings').json() == {'root': None}
    assert 'no folder is served' in page(root=None).get('/api/folders').json()['error']


@pytest.fixture
def looking(finder, root) -> Search:
    """A search of many pictures."""
    cup = Known(SimpleNamespace(name='cup'), [])
    paths = [root / f'{number}.png' for number in range(20)]
    for path in paths:
        path.write_bytes(png())
    return Search(finder, ModelThread(), [cup], [], [Picture(path, path.name) for path in paths], Limits())


def test_the_first_answer_comes_before_the_second_is_asked_for(looking, finder):
    async def first():
        event = await anext(looking.events())
        return event['number'], len(finder.asked)

    assert asyncio.run(first()) == (0, 1)


def test_a_stopped_search_ends_after_the_answer_that_is_under_way(looking, finder):
    async def listen():
        seen = []
        async for event in looking.events():
            seen.append(event)
            looking.stopped = len(seen) == 3
        return seen

    assert len(asyncio.run(listen())) == 3
    assert len(finder.asked) == 3


def test_a_search_that_nobody_listens_to_stops(looking, finder):
    sent = []

    async def send(message):
        sent.append(message)
        if len(sent) == 4:
            raise OSError('gone')

    async def receive():
        await asyncio.sleep(10)

    asyncio.run(Told('key', looking)({'type': 'http', 'asgi': {'spec_version': '2.4'}}, receive, send))
    assert looking.stopped
    assert len(finder.asked) <= 4


def test_a_model_that_fails_says_so_on_the_page(looking, finder, monkeypatch):
    def fail(*_):
        raise RuntimeError('CUDA out of memory')
        yield

    monkeypatch.setattr(finder, 'ask', fail)
    told = []

    async def listen():
        async for line in Told('key', looking).body_iterator:
            told.append(json.loads(line))

    with pytest.raises(RuntimeError, match='out of memory'):
        asyncio.run(listen())
    assert [event['kind'] for event in told] == ['start', 'error']


def test_answers_are_taken_away_as_files(page, root):
    client = page()
    cup = remember(client, '<i>cup</i>')
    images = [upload(client, png(), name).json()['id'] for name in ('C:/up.png', 'up.png', 'a.png')]
    key = search(client, references=[cup], images=images, folder='')[0]['search']
    names = ['up.png', 'up (2).png', 'a.png', 'a (2).png', 'trip/absent.png', 'trip/b.png']
    export = f'/api/searches/{key}/export'

    rows = list(csv.DictReader(client.get(f'{export}/csv').text.splitlines()))
    assert [row['query'] for row in rows] == names
    assert [row['x2'] for row in rows] == ['20.0', '20.0', '20.0', '20.0', '', '20.0']
    coco = client.get(f'{export}/coco').json()
    assert [image['file_name'] for image in coco['images']] == names
    assert [each['bbox'] for each in coco['annotations']] == [[0, 0, 20, 15]] * 5
    html = client.get(f'{export}/html')
    assert html.headers['content-disposition'].startswith('attachment')
    assert html.text.count('<img alt="" src="data:image/jpeg') == 5
    assert '<i>cup' not in html.text
    for kind in ('csv', 'coco', 'html'):
        assert str(root.parent) not in client.get(f'{export}/{kind}').text
        assert 'focus_page_' not in client.get(f'{export}/{kind}').text
    assert client.get(f'{export}/exe').status_code == 404


def test_a_port_that_is_taken_is_said():
    with listen('127.0.0.1', 0) as taken:
        assert address(taken).startswith('http://127.0.0.1:')
        with pytest.raises(InputError, match=r'--host 127\.0\.0\.1 --port .*: cannot be listened on'):
            listen('127.0.0.1', taken.getsockname()[1])
    with pytest.raises(InputError, match='cannot be listened on'):
        listen('no.such.host.invalid', 1)
