"""The page with a model behind it."""

import json

import pytest
from mmengine.config import Config
from starlette.testclient import TestClient

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.page.finder import Finder
from focus_mmdet.page.server import create_app
from tests.conftest import ROOT
from tests.page.conftest import remember, upload


@pytest.fixture
def client(vlm_folder, root):
    config = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage2.py'))
    config.model.pretrained = vlm_folder()
    app = create_app(Finder(InContextInferencer(config, device='cpu')), root)
    with TestClient(app, base_url='http://localhost') as client:
        yield client


def test_a_model_finds_what_it_was_shown_and_what_was_saved(client, root):
    (root / 'trip' / 'cut.png').write_bytes((root / 'a.png').read_bytes()[:60])
    cup = remember(client, 'cup')
    saved = client.get(f'/api/references/{cup}/file').content
    assert client.delete(f'/api/references/{cup}').status_code == 204
    again = upload(client, saved, path='/api/references/file').json()
    assert again['name'] == 'cup'
    assert again['supports'] == [[4 / 40, 5 / 30, 20 / 40, 25 / 30]]

    told = client.post('/api/searches', json={'references': [again['id']], 'folder': ''}).text
    start, *events, end = map(json.loads, told.splitlines())
    found = {each['name']: each for each in events if each['kind'] == 'found'}
    assert list(found) == ['a.png', 'trip/absent.png', 'trip/b.png']
    assert all(each['size'] == [40, 30] for each in found.values())
    assert [each['name'] for each in events if each['kind'] == 'unread'] == ['trip/cut.png']
    assert end == {'kind': 'end', 'stopped': False}
    answers = f'/api/searches/{start["search"]}/answers'
    strip = client.get(f'{answers}/0/attention')
    assert (strip.status_code, strip.headers['content-type']) == (200, 'image/jpeg')


def test_a_model_is_asked_for_look_alikes_too(client):
    asked = {'references': [remember(client, 'cup')], 'not_this': [remember(client, 'hat')], 'folder': 'trip'}
    start, *found, _ = map(json.loads, client.post('/api/searches', json=asked).text.splitlines())
    assert [each['reference'] for each in found] == ['cup', 'cup']
    assert client.get(f'/api/searches/{start["search"]}/answers/0/attention').status_code == 200


@pytest.mark.parametrize(
    ('box', 'message'),
    [([5, 5, 9999, 20], 'outside the'), ([5, 5, 'x', 20], 'four numbers'), (None, 'four numbers')],
)
def test_a_box_that_is_none_is_named_with_its_picture(client, box, message):
    image = upload(client, (ROOT / 'data/realset/images/duck_toy_00000.jpg').read_bytes(), 'duck.jpg')
    asked = {'name': 'duck', 'supports': [{'image': image.json()['id'], 'box': box}]}
    error = client.post('/api/references', json=asked).json()['error']
    assert error.startswith('duck.jpg: ')
    assert message in error
