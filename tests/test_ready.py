"""What is shipped finds things straight after installing."""

import pytest
import torch

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.shipped import READY
from tests.conftest import MATCHER, ROOT

#: Boxes of a photographed object in three photographs, as annotated.
CAR = {0: (135, 77, 355, 382), 2: (144, 111, 337, 432), 4: (175, 105, 326, 374)}


def photo(number):
    return f'data/realset/images/rc_car_{number:05d}.jpg'


@pytest.mark.parametrize(('config', 'batch_size'), [(READY, 1), (READY, 2), (MATCHER, 2)])
def test_it_finds_an_object_in_other_photographs(monkeypatch, config, batch_size):
    monkeypatch.chdir(ROOT)
    find = InContextInferencer(config, device='cpu')
    known = find.remember([(photo(0), CAR[0])])
    found = find([photo(2), photo(4)], known, batch_size=batch_size)
    boxes = torch.tensor([each.box for each in found])
    assert (paired_iou(boxes, torch.tensor([CAR[2], CAR[4]])) > 0.5).all()


def test_it_takes_few_bytes():
    folders = [ROOT / 'checkpoints' / name for name in ('focus-small', 'focus-small-base')]
    assert sum(file.stat().st_size for folder in folders for file in folder.iterdir()) < 12e6
