"""What is fitted on validation episodes is what a config then holds."""

import math
import sys

import pytest
import torch
from mmengine.structures import InstanceData

from focus_mmdet.cli import read_config
from focus_mmdet.models.heads.vlm_head import VLMHead
from tests.conftest import ROOT
from tools.analysis_tools import calibrate_scores

CONFIG = f"""
_base_ = '{ROOT}/configs/focus_tiny_stage1.py'
model = dict(pretrained='FOLDER', bbox_head=dict(score_calibration=(3.0, 2.0)))
val_dataloader = dict(num_workers=0, dataset=dict(episodes=dict(per_track=3)))
"""


@pytest.fixture
def calibrate(monkeypatch, capsys, tmp_path, vlm_folder):
    """Runs the tool on a model whose answers are right or wrong by their number, scored by ``scores``."""
    monkeypatch.chdir(ROOT)
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.replace('FOLDER', vlm_folder()))

    def run(right, wrong, likeness=0.0):
        def predict(head, batch, samples, speech):
            boxes = []
            for sample in samples:
                sample.set_metainfo({'answer': '', 'parse_error': None})
                hit = sample.img_id % 4 > 0
                box = torch.tensor([sample.instances[0]['bbox'] if hit else [0, 0, 1, 1]])
                assert head.scoring.likeness == 0
                sure = hit and sample.img_id % 3 > 0
                score = head.scoring(torch.tensor([right if sure else wrong]).log(), None)[None]
                sample.set_metainfo({'likeness': likeness * hit})
                boxes.append(InstanceData(bboxes=box, scores=score, labels=torch.zeros(1, dtype=torch.long)))
            return boxes

        monkeypatch.setattr(VLMHead, 'predict', predict)
        out = tmp_path / 'calibrated.py'
        words = [str(config), 'none', '--out', str(out), '--work-dir', str(tmp_path / 'work')]
        monkeypatch.setattr(sys, 'argv', ['calibrate_scores.py', *words])
        calibrate_scores.main()
        return capsys.readouterr().out, out

    return run


def test_the_config_that_is_written_makes_scores_honest(calibrate):
    printed, out = calibrate(right=0.4, wrong=0.3, likeness=0.5)
    head = read_config(str(out)).model.bbox_head
    scale, offset = head.score_calibration
    assert f"'model.bbox_head.score_calibration=({scale},{offset})'" in printed
    assert f"'model.bbox_head.score_likeness={head.score_likeness}'" in printed
    assert head.score_likeness > 0
    assert 'fitted 1.0000' in printed
    logits = scale * torch.tensor([0.4, 0.3]).logit() + offset + head.score_likeness * torch.tensor([0.5, 0])
    assert logits.sigmoid().tolist() == pytest.approx([1, 0], abs=0.2)


def test_what_it_wrote_may_be_replaced(calibrate):
    _, out = calibrate(right=0.4, wrong=0.3)
    calibrate_scores.check_out(out, 'other.py')


@pytest.mark.parametrize(('prior', 'offset'), [([], 1.5), (['--prior', '0.1'], 1.5 - math.log(9))])
def test_a_matchers_scores_are_fitted_where_it_keeps_them(monkeypatch, capsys, tmp_path, prior, offset):
    """What is judged has raw scores, and what was fitted is what the written config gives the model."""
    base, out = f'{ROOT}/configs/feature_matcher_mobilenet_v2.py', tmp_path / 'calibrated.py'
    (tmp_path / 'config.py').write_text(f"_base_ = '{base}'\nmodel = dict(score_calibration=(3.0, 2.0))")
    judged = []

    class Judge:
        def test(self):
            return {'score/answers': 9, 'score/ece': 0, 'score/ece_fitted': 0} | {
                'score/scale': 4.0,
                'score/offset': 1.5,
                'score/right': 0.5,
            }

    def from_cfg(config):
        judged.append(config.model.score_calibration)
        assert 'score_likeness' not in config.model
        return Judge()

    monkeypatch.setattr(calibrate_scores.Runner, 'from_cfg', from_cfg)
    monkeypatch.setattr(calibrate_scores, 'check_inputs', lambda *_: None)
    words = [str(tmp_path / 'config.py'), 'none', '--out', str(out), '--work-dir', str(tmp_path / 'work')]
    monkeypatch.setattr(sys, 'argv', ['calibrate_scores.py', *words, *prior])
    calibrate_scores.main()
    assert judged == [(1.0, 0.0)]
    assert read_config(str(out)).model.score_calibration == pytest.approx((4.0, offset), abs=1e-4)
    assert f"'model.score_calibration=(4.0000,{offset:.4f})'" in capsys.readouterr().out


def test_scores_that_say_nothing_are_refused(monkeypatch):
    figures = {'score/answers': 16.0, 'score/scale': 3e-5, 'score/right': 1.0, 'score/offset': 2.8}
    monkeypatch.setattr(calibrate_scores, 'judge', lambda *_: figures)
    command = ['calibrate_scores.py', str(ROOT / 'configs/feature_matcher_presence.py'), 'none']
    monkeypatch.setattr('sys.argv', command)
    with pytest.raises(calibrate_scores.InputError, match='not right more often'):
        calibrate_scores.main()


def test_scores_that_say_the_opposite_are_refused(calibrate):
    with pytest.raises(calibrate_scores.InputError, match='higher scores are not right more often'):
        calibrate(right=0.3, wrong=0.4)
