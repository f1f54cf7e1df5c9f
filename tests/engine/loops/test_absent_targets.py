"""Queries that lack the object: trained in both stages, rewarded and judged."""

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.runner import Runner

from focus_mmdet.core.prompt import ABSENT_ANSWER
from focus_mmdet.datasets.collate import collate_episodes
from focus_mmdet.engine.rewards import Answers, build_rewards, give_rewards
from focus_mmdet.errors import InputError

BOX = '<answer>[10, 10, 50, 50]</answer>'


def drawn(config, **options):
    """Sprite scenes, half of which lack the target."""
    dataset = dict(
        type='SpriteEpisodeDataset', data_root='data/sprites/test', length=8, size=(64, 64), negatives=0.5,
        pipeline=config.sprite_pipeline, test_mode=True, **options,
    )  # fmt: skip
    config.train_dataloader.dataset = {**dataset, 'test_mode': False}
    config.val_dataloader.dataset = config.test_dataloader.dataset = dataset
    return config


@pytest.fixture
def config(make_config):
    def make(stage, name, **options):
        return drawn(make_config(stage, name, **{'model.data_preprocessor.may_be_absent': True, **options}))

    return make


def test_absent_targets_are_answered_by_none_and_boxes_stay_boxes(config, make_detector):
    settings = config(1, 'answers')
    dataset = DATASETS.build(settings.train_dataloader.dataset)
    detector = make_detector()
    detector.data_preprocessor = type(detector.data_preprocessor)(detector.pretrained, may_be_absent=True)
    data = collate_episodes([dataset[index] for index in range(8)])
    batch = detector.data_preprocessor(data)['inputs']
    tokenizer = detector.data_preprocessor.encoder.tokenizer
    absent = [len(sample.gt_instances) == 0 for sample in data['data_samples']]
    assert 0 < sum(absent) < 8
    for gone, answer, prompt, target in zip(
        absent, batch.answer_ids, batch.prompt_ids, batch.targets, strict=True
    ):
        text = tokenizer.decode(answer, skip_special_tokens=True)
        assert (text == ABSENT_ANSWER) == gone == bool((target == 0).all())
        assert ABSENT_ANSWER in tokenizer.decode(prompt)


def test_without_the_key_such_a_query_is_an_error_that_names_it(config):
    settings = config(1, 'refused', **{'model.data_preprocessor.may_be_absent': False})
    with pytest.raises(InputError, match=r'webp \(episode \d+\).*may_be_absent=True'):
        Runner.from_cfg(settings).train()


@pytest.mark.parametrize('stage', [1, 2])
def test_both_stages_train_on_them_and_are_judged_by_presence(config, stage):
    settings = config(stage, f'stage{stage}', **{'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2})
    runner = Runner.from_cfg(settings)
    runner.train()
    figures = runner.val()
    assert 'in_context/presence_f1' in figures
    assert 'in_context/f1@0.5' in figures


def test_a_right_rejection_is_rewarded_and_a_wrong_one_is_not(make_detector):
    from focus_mmdet.models.data_preprocessors.episode_encoder import EpisodeEncoder

    there, gone = [10.0, 10, 50, 50], [0.0, 0, 0, 0]
    texts = [BOX, ABSENT_ANSWER, 'gone', BOX, ABSENT_ANSWER, 'gone']
    speech = EpisodeEncoder(make_detector().pretrained, may_be_absent=True)
    answers = Answers.read(texts, torch.tensor([there] * 3 + [gone] * 3), list(range(6)), speech.read)
    kinds = ('IoUReward', 'GIoUReward', 'IoUThresholdReward', 'FormatReward')
    _, each = give_rewards(build_rewards([dict(type=kind) for kind in kinds]), answers)
    for name in ('iou', 'giou', 'iou_threshold'):
        assert each[name].tolist() == [1, 0, 0, 0, 1, 0], name
    assert each['format'].tolist() == [1, 1, 0, 1, 1, 0]
    # Where the key is off, "none" is no answer.
    plain = Answers.read(texts, answers.targets, answers.episodes)
    assert plain.iou.tolist() == [1, 0, 0, 0, 0, 0]
