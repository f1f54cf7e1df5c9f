"""A whole run of GRPOTrainLoop equals one of trl.GRPOTrainer, set up by projects/trl/train.py."""

import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmengine.runner import Runner

from focus_mmdet.engine.rollouts.rollout_engine import SharedPrefillRollout
from focus_mmdet.errors import InputError
from focus_mmdet.models import FocusDetector

trl = pytest.importorskip('trl')

from projects.trl.train import build_trainer, save  # noqa: E402  it imports trl

BASE = 'checkpoints/focus-tiny-base'
STEPS, SIZE, RATE = 3, 4, 0.05


@pytest.fixture
def config(make_config):
    config = make_config(
        2,
        'ours',
        **{
            'model.pretrained': BASE,
            'train_cfg.max_iters': STEPS,
            'train_cfg.num_generations': SIZE,
            'train_cfg.max_completion_length': 22,  # cuts some answers
            'train_cfg.temperature': 1.3,
            'train_cfg.beta': 1.0,
            'train_cfg.rollout': dict(type='RecordedRollout'),
            'train_dataloader.sampler.shuffle': False,
            'optim_wrapper.optimizer': dict(_delete_=True, type='SGD', lr=RATE),
            'default_hooks.checkpoint.interval': 100,
        },
    )
    config.param_scheduler = []
    config.train_dataloader.dataset.indices = [0, 2, 4, 3, 1, 5]  # prompts of a step differ in length
    config.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
    return config


def run_ours(config, monkeypatch):
    """What each step was asked and drew, what was logged, and the weights before and after."""
    drawn = []

    class RecordedRollout(SharedPrefillRollout):
        def sample(self, detector, request):
            generated = super().sample(detector, request)
            drawn.append((request.batch, [ids.tolist() for ids in generated.ids]))
            return generated

    monkeypatch.setitem(TASK_UTILS._module_dict, 'RecordedRollout', RecordedRollout)
    runner = Runner.from_cfg(config)
    model = runner.model.bbox_head.vlm.model
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    runner.train()
    logs = {name: values.data[0].tolist() for name, values in runner.message_hub.log_scalars.items()}
    return drawn, logs, before, dict(model.named_parameters())


def run_trls(config, drawn, work_dir):
    """What TRL logs and the weights it writes, where answers are those of ``drawn``."""

    class Replayed(trl.GRPOTrainer):
        def _generate_single_turn(self, prompt_ids, images, multimodal_fields, *_):
            batch, answers = drawn[self.state.global_step]
            assert prompt_ids == [ids.tolist() for ids in batch.prompt_ids for _ in range(SIZE)]
            episodes = [batch.select(index, index + 1) for index in range(len(batch)) for _ in range(SIZE)]
            pixels = torch.cat([image['pixel_values'] for episode in episodes for image in episode.vision])
            assert torch.equal(torch.as_tensor(multimodal_fields['pixel_values']), pixels)
            return answers, None

    trainer = build_trainer(
        config,
        str(work_dir),
        Replayed,
        optim='sgd',
        lr_scheduler_type='constant',
        shuffle_dataset=False,
        save_strategy='no',
        disable_tqdm=True,
    )
    trainer.train()
    save(trainer, BASE, work_dir / 'model')
    written = FocusDetector(str(work_dir / 'model'), bbox_head={'type': 'VLMHead'})
    return trainer.state.log_history[:STEPS], dict(written.bbox_head.vlm.model.named_parameters())


@pytest.mark.parametrize('corrected', [True, False])
def test_the_same_answers_teach_the_same(config, monkeypatch, tmp_path, corrected):
    config.train_cfg.use_bias_correction_kl = corrected
    drawn, ours, before, weights = run_ours(config, monkeypatch)
    theirs, expected = run_trls(config, drawn, tmp_path / 'trl')
    assert all(len({len(ids) for ids in batch.prompt_ids}) == 2 for batch, _ in drawn)
    assert any(len({len(ids) for ids in answers}) > 1 for _, answers in drawn)
    assert min(ours['train/rewards/format/mean']) < 1
    for name in ('loss', 'grad_norm', 'kl', 'entropy', 'reward', 'rewards/iou/mean', 'rewards/format/mean'):
        assert ours[f'train/{name}'] == pytest.approx([step[name] for step in theirs], rel=1e-4, abs=1e-5)
    moved = max(float((weight - before[name]).abs().max().detach()) for name, weight in weights.items())
    assert moved > 1e-3
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-4 * moved)


def test_only_the_language_models_adapters_train(make_config, tmp_path):
    lora = dict(_delete_=True, r=2, lora_alpha=4)
    trainer = build_trainer(make_config(2, 'lora', **{'model.bbox_head.lora': lora}), str(tmp_path / 'trl'))
    trained = [name for name, weight in trainer.model.named_parameters() if weight.requires_grad]
    assert trained
    assert all('language_model' in name and '.lora_' in name for name in trained)


def test_a_config_of_stage_1_is_refused(make_config, tmp_path):
    with pytest.raises(InputError, match='stage 2'):
        build_trainer(make_config(1, 'other'), str(tmp_path / 'trl'))
