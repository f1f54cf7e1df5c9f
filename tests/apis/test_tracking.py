"""Objects are followed by what was shown, and by what was believed on the way."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.apis.tracking import Learning, track
from focus_mmdet.errors import InputError
from focus_mmdet.results.located import Located
from tests.conftest import ROOT


def frame(number, there=True):
    """A bright square that moves by two pixels a frame; its place in the first row tells the frame."""
    pixels = np.zeros((40, 120, 3), np.uint8)
    pixels[0, number] = 1
    if there:
        pixels[10:20, 2 * number + 4 : 2 * number + 14] = 200
    return pixels


@dataclass
class FakeFinder:
    """Finds what is bright, with the score that ``scores`` has for the frame, and keeps what it was asked."""

    scores: dict[int, float] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    supports: list[list[int]] = field(default_factory=list)

    def remember(self, supports, name=None):
        return Reference.of(supports, name)

    def __call__(self, queries, references, pred_score_thr=0.0):
        (pixels,) = queries
        number = int(pixels[0].any(1).argmax())
        self.asked.append(number)
        for reference in references:
            self.supports.append([int(image[0].any(1).argmax()) for image in reference.images])
        score = self.scores.get(number, 0.9)
        rows, columns = np.nonzero(pixels[..., 0] > 100)
        box = None
        if len(rows) and score >= pred_score_thr:
            box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
        return [
            Located('query 0', None, reference.name, (120, 40), box, score, box is None, '')
            for reference in references
        ]


def follow(find, frames, learning=None, **options):
    first = find.remember([(frame(0), (4, 10, 14, 20))], 'square')
    return list(track(find, frames, [first], learning, 'clip.mp4', **options))


def test_answers_name_their_frame_and_lie_where_the_object_is():
    find = FakeFinder()
    tracked = follow(find, ((number, frame(number)) for number in (0, 3, 6)))
    for number, _, (located,) in tracked:
        assert (located.query, located.frame, located.reference) == ('clip.mp4', number, 'square')
        assert located.box == (2 * number + 4, 10, 2 * number + 14, 20)


def test_a_frame_is_asked_about_once_for_all_objects_which_learn_apart():
    find = FakeFinder()
    known = [find.remember([(frame(0), (4, 10, 14, 20))], name) for name in ('cup', 'hat')]
    frames = ((number, frame(number)) for number in (3, 6))
    tracked = list(track(find, frames, known, Learning(1, 0.8, 1)))
    assert find.asked == [3, 6]
    assert [[located.reference for located in each.found] for each in tracked] == [['cup', 'hat']] * 2
    assert find.supports == [[0], [0], [0, 3], [0, 3]]


@pytest.mark.parametrize(
    ('learning', 'asked'),
    [
        # Frame 2 is not believed, frame 3 shows nothing; the latest two are kept beside the first.
        (Learning(2, 0.8, 1), [[0], [0, 1], [0, 1], [0, 1], [0, 1, 4], [0, 4, 5], [0, 5, 6]]),
        (Learning(2, 0.8, 3), [[0], [0, 1], [0, 1], [0, 1], [0, 1, 4], [0, 1, 4], [0, 1, 4]]),
        (Learning(0), [[0]] * 7),
    ],
)
def test_confident_answers_become_supports_and_the_oldest_goes_but_the_first(learning, asked):
    find = FakeFinder(scores={2: 0.5})
    follow(find, ((number, frame(number, there=number != 3)) for number in range(1, 8)), learning)
    assert find.supports == asked


def test_what_was_learned_is_the_frame_and_its_box():
    find = FakeFinder()
    kept = []
    find.remember = lambda supports, name=None: kept.append(supports) or Reference.of(supports, name)
    follow(find, [(4, frame(4))], Learning(1))
    (_, _), (pixels, box) = kept[-1]
    assert (pixels == frame(4)).all()
    assert box == (12, 10, 22, 20)


def test_what_ends_with_the_frame_is_not_learned():
    """It may be a part of the object."""
    find = FakeFinder()
    cut = frame(3)
    cut[10:20, :12] = 200
    follow(find, [(1, frame(1)), (3, cut), (5, frame(5))], Learning(2, 0.8, 1))
    assert find.supports == [[0], [0, 1], [0, 1]]


def test_an_object_that_went_away_is_found_where_it_comes_back():
    tracked = follow(FakeFinder(), ((number, frame(number, number in (1, 9))) for number in range(1, 10)))
    assert [each.number for each in tracked if each.found[0].box is not None] == [1, 9]
    assert all(each.found[0].absent for each in tracked[1:-1])


def test_objects_are_told_apart_by_their_names():
    find = FakeFinder()
    one = find.remember([(frame(0), (4, 10, 14, 20))], 'square')
    for references in ([], [one, one]):
        with pytest.raises(InputError, match='a name of its own'):
            track(find, [], references)
    for options in (dict(memory=-1), dict(confident=2), dict(spacing=0)):
        with pytest.raises(InputError, match=next(iter(options))):
            Learning(**options)


def test_a_model_follows_with_more_and_more_supports(vlm_folder, monkeypatch):
    """The tiny model's answers go the same way as a finder's that is made up."""
    from mmengine.config import Config

    config = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage2.py'))
    config.model.pretrained = vlm_folder()
    find = InContextInferencer(config, device='cpu')
    speech = type(find.model.data_preprocessor.encoder)
    monkeypatch.setattr(speech, 'decode', lambda *_: '<answer>[100, 100, 500, 900]</answer>')
    counts = []
    answer = type(find.answerer).answer
    monkeypatch.setattr(
        type(find.answerer),
        'answer',
        lambda self, reference, *rest: counts.append(len(reference.images)) or answer(self, reference, *rest),
    )
    tracked = follow(find, [(number, frame(number)) for number in range(4)], Learning(2, 0.0, 1))
    assert [each.found[0].box for each in tracked] == [(12, 4, 60, 36)] * 4
    assert counts == [1, 2, 3, 3]
