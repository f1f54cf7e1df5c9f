"""Families of other kinds than the first train in both stages, resume and test."""

import pytest
import torch
from mmengine.runner import Runner

from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from tests.conftest import FAMILIES
from tests.engine.processes import two_processes  # noqa: F401  a reward that random answers get

#: Qwen's differ from the one that all other tests train in nothing that a runner sees.
OTHERS = [family for family in FAMILIES if not family.startswith('qwen')]


@pytest.mark.parametrize('family', OTHERS)
def test_both_stages_train_resume_and_test(make_config, vlm_folder, family):
    start = None
    for stage in (1, 2):
        options = {
            'model.pretrained': vlm_folder(family),
            'optim_wrapper.optimizer.lr': 1e-2,
            'test_dataloader.dataset.indices': 4,
        }
        if stage == 2:
            options['train_cfg.rewards'] = [dict(type='TextReward')]
        half = make_config(stage, f'stage{stage}', **options, load_from=start)
        half.train_cfg.max_iters = 2
        Runner.from_cfg(half).train()
        resumed = make_config(stage, f'stage{stage}', **options, resume=True)
        resumed.update(experiment_name=f'{resumed.experiment_name}-resumed', load_from=None)
        runner = Runner.from_cfg(resumed)
        runner.train()
        start = f'{half.work_dir}/iter_4.pth'
        before, after = (
            load_local_checkpoint(f'{half.work_dir}/iter_{number}.pth')['state_dict'] for number in (2, 4)
        )
        assert all(weight.isfinite().all() for weight in after.values())
        assert any(not torch.equal(weight, before[name]) for name, weight in after.items())
        term = 'loss_attention' if stage == 1 else 'loss_policy'
        assert f'train/{term}' in runner.message_hub.log_scalars
    runner.model.bbox_head.record_attention = True
    assert 0 <= runner.test()['in_context/mIoU'] <= 1
