import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from focus_mmdet.errors import InputError
from focus_mmdet.evaluation import InContextMetric


def episode(predicted, scores, target=(0, 0, 10, 10), support=(0, 0, 20, 20), support_shape=(200, 200)):
    given = DetDataSample(metainfo={'img_shape': support_shape})
    given.gt_instances = InstanceData(bboxes=torch.tensor([support], dtype=torch.float32))
    return {
        'instances': [{'bbox': list(target)}],
        'ori_shape': (100, 100),
        'supports': [given],
        'pred_instances': {
            'bboxes': torch.tensor(predicted, dtype=torch.float32).view(-1, 4),
            'scores': torch.tensor(scores),
        },
    }


def test_figures_by_hand():
    metric = InContextMetric()
    metric.process({}, [episode([[0, 0, 10, 10]], [0.9])])
    metric.process({}, [episode([], []), episode([[0, 0, 1, 1], [0, 0, 10, 6]], [0.1, 0.8])])
    figures = metric.evaluate(3)
    assert figures['in_context/mIoU'] == pytest.approx((1 + 0 + 0.6) / 3)
    assert figures['in_context/acc@0.5'] == pytest.approx(2 / 3)
    assert figures['in_context/acc@0.75'] == pytest.approx(1 / 3)
    assert figures['in_context/parse_rate'] == pytest.approx(2 / 3)
    # A support of twice the size: its box is carried over relative to the image.
    assert figures['in_context/copy_support_mIoU'] == pytest.approx(1.0)
    assert figures['in_context/episodes'] == 3


def test_what_was_chosen_among_the_objects_of_a_scene():
    metric = InContextMetric()
    others = [[50, 50, 60, 60], [80, 0, 100, 10]]
    right, wrong = episode([[0, 0, 10, 9]], [0.9]), episode([[50, 50, 60, 60]], [0.9])
    neither, silent = episode([[20, 20, 40, 40]], [0.9]), episode([], [])
    for sample in (right, wrong, neither, silent):
        metric.process({}, [{**sample, 'distractors': others}])
    figures = metric.evaluate(4)
    assert figures['in_context/choice'] == 0.25
    assert figures['in_context/any_object@0.5'] == 0.5
    assert figures['in_context/random_object_mIoU'] == pytest.approx(1 / 3)


def test_answers_follow_where_each_of_two_objects_of_a_picture_is_found():
    first, second, third = [0, 0, 10, 10], [50, 50, 60, 60], [80, 0, 100, 10]

    def asked(target, answer, path='a.jpg', others=(first, second)):
        rest = [box for box in others if box != target]
        return {**episode([answer], [0.9], target), 'img_path': path, 'distractors': rest}

    metric = InContextMetric()
    # Twice for one object is no pair, nor is another crop of the picture, which shows other boxes.
    metric.process({}, [asked(first, first), asked(first, first), asked(second, first)])
    metric.process({}, [asked(first, first, 'b.jpg'), asked(second, second, 'b.jpg')])
    metric.process({}, [asked(third, third, 'b.jpg', (first, third))])
    figures = metric.evaluate(6)
    assert figures['in_context/follows'] == pytest.approx(1 / 3)
    assert figures['in_context/follows_pairs'] == 3


def test_the_fixed_box_is_the_median():
    metric = InContextMetric()
    for target in ((0, 0, 10, 10), (0, 0, 10, 10), (50, 50, 60, 60)):
        metric.process({}, [episode([], [], target)])
    assert metric.evaluate(3)['in_context/fixed_box_mIoU'] == pytest.approx(2 / 3)


def test_the_matcher_finds_a_shifted_copy_of_the_support():
    """In the pixels of the original query, which may be larger than what was matched."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randint(0, 256, (3, 50, 50), generator=generator, dtype=torch.uint8)
    support = torch.randint(0, 256, (3, 50, 50), generator=generator, dtype=torch.uint8)
    query[:, 20:32, 30:40] = support[:, 5:17, 8:18]
    metric = InContextMetric(matcher=True)
    sample = episode([], [], (60, 40, 80, 64), support=(8, 5, 18, 17), support_shape=(50, 50))
    metric.process({'inputs': [[support, query]]}, [sample])
    assert metric.evaluate(1)['in_context/matcher_mIoU'] == pytest.approx(1.0)


def test_the_matcher_takes_a_support_at_the_very_edge():
    metric = InContextMetric(matcher=True)
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    sample = episode([], [], (10, 10, 20, 20), support=(63.6, 10, 64, 20), support_shape=(64, 64))
    metric.process({'inputs': [[image, image]]}, [sample])
    assert metric.evaluate(1)['in_context/matcher_mIoU'] == 0


def test_absent_objects_are_judged_by_presence_alone():
    metric = InContextMetric(thresholds=(0.5,))
    there, near = episode([[0, 0, 10, 10]], [0.9]), episode([[0, 0, 10, 2]], [0.9])
    missed = {**episode([], []), 'parse_error': None}
    gone = {'instances': []}
    rejected, invented = {**missed, **gone}, {**there, **gone}
    babbled = {**episode([], []), **gone, 'parse_error': 'no_box'}
    metric.process({}, [there, near, missed, rejected, invented, babbled])
    figures = metric.evaluate(6)
    assert figures['in_context/mIoU'] == pytest.approx((1 + 0.2 + 0) / 3)
    assert figures['in_context/parse_rate'] == pytest.approx(5 / 6)
    assert figures['in_context/presence_precision'] == pytest.approx(2 / 3)
    assert figures['in_context/presence_recall'] == pytest.approx(2 / 3)
    assert figures['in_context/presence_f1'] == pytest.approx(2 / 3)
    assert figures['in_context/rejection_precision'] == pytest.approx(1 / 2)
    assert figures['in_context/rejection_recall'] == pytest.approx(1 / 3)
    # Right only with a box where it is: one of three said, of three there.
    assert figures['in_context/f1@0.5'] == pytest.approx(1 / 3)


def test_rejection_of_each_kind_of_absence_apart():
    metric = InContextMetric()
    there, silent = episode([[0, 0, 10, 10]], [0.9]), {**episode([], []), 'parse_error': None}
    inside, outside = ({'instances': [], 'absent_kind': kind} for kind in ('in_class', 'out_of_class'))
    metric.process({}, [{**silent, **inside}, {**there, **inside}, {**silent, **outside}, there])
    figures = metric.evaluate(4)
    assert figures['in_context/rejection_recall'] == pytest.approx(2 / 3)
    assert figures['in_context/rejection_recall/absent_kind=in_class'] == 0.5
    assert figures['in_context/episodes/absent_kind=in_class'] == 2
    assert figures['in_context/rejection_recall/absent_kind=out_of_class'] == 1
    assert figures['in_context/episodes/absent_kind=out_of_class'] == 1


def test_presence_ranks_boxes_and_answers_of_absence_on_one_scale():
    metric = InContextMetric(tops=(1, 2))
    there, gone = episode([[0, 0, 10, 10]], [0.9]), {'instances': []}
    silent = {**episode([], []), 'parse_error': None}
    doubted = {**silent, 'presence': 0.4}
    samples = [there, doubted, {**silent, **gone, 'presence': 0.3}, {**there, **gone, 'presence': 0.6}]
    metric.process({}, [{**sample, 'reference': 'cup'} for sample in samples])
    figures = metric.evaluate(4)
    # In order: 0.9 shows it (its box's score stands for what is not said), 0.6 does not, 0.4 does.
    assert figures['in_context/presence_auroc'] == figures['in_context/gallery_auroc'] == 0.75
    assert figures['in_context/presence_ap'] == pytest.approx((1 + 2 / 3) / 2)
    assert figures['in_context/gallery_precision@1'] == 1
    assert figures['in_context/gallery_precision@2'] == 0.5
    with pytest.raises(InputError, match='tops'):
        InContextMetric(tops=(0,))


@pytest.fixture
def warnings(monkeypatch):
    """What the metric warns of."""
    heard = []
    module = 'focus_mmdet.evaluation.in_context_metric'
    monkeypatch.setattr(f'{module}.print_log', lambda message, *_: heard.append(message))
    return heard


def test_episodes_that_a_manifest_cannot_hold_count_zero_and_once(warnings):
    metric = InContextMetric(thresholds=(0.5,), by=['shots'])
    right = {**episode([[0, 0, 10, 10]], [0.9]), 'parse_error': None}
    first = {**right, 'unjudged': ['7, image 1: missing image', '9, image 2: empty box']}
    # The third fills up a batch, as samplers do for several processes.
    metric.process({}, [first, right, first])
    figures = metric.evaluate(2)
    assert figures['in_context/episodes'] == 4
    assert figures['in_context/unjudged'] == 2
    for name in ('mIoU', 'acc@0.5', 'parse_rate', 'copy_support_mIoU', 'fixed_box_mIoU'):
        assert figures[f'in_context/{name}'] == 0.5
    assert figures['in_context/mIoU/shots=1'] == 1
    assert warnings[0].startswith('InContextMetric: 2 episodes cannot be judged and count 0')
    assert '9, image 2: empty box' in warnings[0]


def test_saved_predictions_are_judged_without_the_matcher(warnings):
    metric = InContextMetric(matcher=True)
    metric.process(None, [episode([[0, 0, 10, 10]], [0.9])])
    figures = metric.evaluate(1)
    assert figures['in_context/mIoU'] == figures['in_context/copy_support_mIoU'] == 1
    assert 'in_context/matcher_mIoU' not in figures
    assert 'matcher_mIoU is left out' in warnings[0]


def test_groups_hold_their_own_episodes():
    metric = InContextMetric(by=['shots', 'gap', 'size', 'look_alikes'])
    good = {**episode([[0, 0, 10, 10]], [0.9]), 'gap': 9, 'look_alikes': [True, False]}
    bad = {**episode([], [], target=(0, 0, 30, 30)), 'gap': 1500, 'look_alikes': [True, True]}
    bad['supports'] = bad['supports'] * 2
    metric.process({}, [good, bad, {**good, 'gap': None}])
    figures = metric.evaluate(3)
    for group, miou, count in (
        ('shots=1', 1, 2), ('shots=2', 0, 1), ('gap=0..10', 1, 1), ('gap=1000..', 0, 1),
        ('size=0.1..0.3', 1, 2), ('size=0.3..0.6', 0, 1), ('look_alikes=1', 1, 2), ('look_alikes=2', 0, 1),
    ):  # fmt: skip
        assert figures[f'in_context/mIoU/{group}'] == miou
        assert figures[f'in_context/episodes/{group}'] == count
    with pytest.raises(InputError, match='by='):
        InContextMetric(by=['colour'])


@pytest.mark.parametrize('thresholds', [0.5, ['half'], [2]])
def test_thresholds_that_make_no_sense_are_named(thresholds):
    with pytest.raises(InputError, match='thresholds'):
        InContextMetric(thresholds=thresholds)
