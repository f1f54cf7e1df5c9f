"""The shipped model finds things straight after installing."""

import pytest
import torch

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.core.boxes import paired_iou
from tests.conftest import ROOT

#: Boxes of a photographed object in three photographs, as annotated.
CAR = {0: (135, 77, 355, 382), 2: (144, 111, 337, 432), 4: (175, 105, 326, 374)}


@pytest.fixture
def find(monkeypatch):
    monkeypatch.chdir(ROOT)
    return InContextInferencer(device='cpu')


def photo(number):
    return f'data/realset/images/rc_car_{number:05d}.jpg'


def test_it_finds_an_object_that_it_knows(find):
    known = find.remember([(photo(0), CAR[0])])
    found = find([photo(2), photo(4)], known)
    boxes = torch.tensor([each.box for each in found])
    assert (paired_iou(boxes, torch.tensor([CAR[2], CAR[4]])) > 0.5).all()


def test_it_is_small():
    folder = ROOT / 'checkpoints/focus-small'
    assert sum(file.stat().st_size for file in folder.iterdir()) < 6e6
