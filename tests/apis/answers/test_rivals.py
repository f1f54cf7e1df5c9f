"""Look-alikes that are shown, too, are not taken for what is looked for."""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from focus_mmdet.apis.answers.rivals import give_way
from focus_mmdet.errors import InputError
from tests.conftest import ROOT

PHOTOS = ROOT / 'data/realset/images'
ROBOT = (str(PHOTOS / 'robot_toy_00000.jpg'), (100, 30, 390, 430))
DUCK = (str(PHOTOS / 'duck_toy_00000.jpg'), (126, 106, 373, 354))


def answer(box, score):
    found = InstanceData(bboxes=torch.tensor([box], dtype=torch.float32), scores=torch.tensor([score]))
    sample = DetDataSample()
    sample.pred_instances = found if box else found[:0]
    return sample


def test_the_surest_rival_at_the_same_place_takes_it():
    place, near, far = (0, 0, 10, 10), (0, 0, 10, 8), (20, 20, 30, 30)
    for rivals, taker in [
        ([], None),
        ([('far', answer(far, 0.9))], None),
        ([('less sure', answer(near, 0.4))], None),
        ([('as sure', answer(near, 0.5))], None),
        ([('a', answer(near, 0.6)), ('b', answer(place, 0.7)), ('far', answer(far, 0.9))], 'b'),
    ]:
        sample = answer(place, 0.5)
        give_way(sample, rivals)
        assert (len(sample.pred_instances), sample.get('instead')) == (taker is None, taker)
        assert sample.get('absent', False) == (taker is not None)


def test_a_look_alike_is_told_apart_on_photographs(matcher):
    robot, duck = matcher.remember([ROBOT], 'robot'), matcher.remember([DUCK], 'duck')
    query = PHOTOS / 'duck_toy_00001.jpg'
    (mistaken,) = matcher(query, robot)
    assert mistaken.box is not None
    robot_seen, duck_seen = matcher(query, [robot, duck], not_this=[(ROBOT[0], (1, 1, 60, 60))])
    assert robot_seen.box == mistaken.box  # A corner of the table is elsewhere.
    for not_this in (duck, [duck], [DUCK]):
        (absent,) = matcher.stream(query, robot, not_this=not_this)
        assert (absent.box, absent.absent, absent.score) == (None, True, 0)
        assert absent.instead in ('duck', 'duck_toy_00000')
    (found,) = matcher(query, duck, not_this=[robot])
    assert (found.box, found.score, found.instead) == (duck_seen.box, duck_seen.score, None)
    (sample,) = matcher(query, robot, not_this=duck, return_datasamples=True)
    assert not len(sample.pred_instances)


def test_what_is_wanted_and_unwanted_is_refused(matcher):
    duck = matcher.remember([DUCK], 'duck')
    with pytest.raises(InputError, match="not_this: 'duck' is also what is looked for"):
        matcher(DUCK[0], duck, not_this=[duck])
    with pytest.raises(InputError, match=r'duck_toy_00000\.jpg: box .* is reversed'):
        matcher(DUCK[0], duck, not_this=[(DUCK[0], (9, 9, 1, 1))])


def test_a_query_that_cannot_be_asked_for_a_rival_is_not_answered(matcher, monkeypatch):
    robot, duck = matcher.remember([ROBOT], 'robot'), matcher.remember([DUCK], 'duck')
    ask = matcher.answerer.answer

    def fails(reference, *others):
        if reference is robot:
            raise InputError('too long')
        return ask(reference, *others)

    monkeypatch.setattr(matcher.answerer, 'answer', fails)
    with pytest.raises(InputError, match='too long'):
        matcher(DUCK[0], duck, not_this=robot)
    assert [name for name, _ in matcher.unread] == [DUCK[0]]
