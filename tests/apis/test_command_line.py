"""What the tools that find things share."""

from argparse import ArgumentTypeError, Namespace
from pathlib import Path

import pytest
from mmengine.runner import save_checkpoint

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.apis.command_line import folder, load_inferencer
from focus_mmdet.errors import InputError
from tests.conftest import ROOT


def test_stdout_is_left_to_answers(vlm_folder, tmp_path, capsys):
    """MMEngine prints which checkpoint it loads."""
    config = str(ROOT / 'configs/focus_tiny_stage2.py')
    options, file = {'model.pretrained': vlm_folder()}, str(tmp_path / 'own.pth')
    args = Namespace(config=config, checkpoint='none', device='cpu', cfg_options=options)
    save_checkpoint({'state_dict': load_inferencer(args).model.state_dict()}, file)
    args.checkpoint = file
    assert isinstance(load_inferencer(args), InContextInferencer)
    printed = capsys.readouterr()
    assert printed.out == ''
    assert 'own.pth' in printed.err


def test_a_config_of_ones_own_needs_a_word_on_its_weights():
    config = str(ROOT / 'configs/focus_tiny_stage2.py')
    args = Namespace(config=config, checkpoint=None, device='cpu', cfg_options=None)
    with pytest.raises(InputError, match=r"--config .*tiny_stage2.py: give --checkpoint, or 'none'"):
        load_inferencer(args)


def test_a_matcher_has_no_weights_of_its_own_to_speak_of(tmp_path):
    mine = tmp_path / 'mine.py'
    mine.write_text("_base_ = 'focus_mmdet::feature_matcher_mobilenet_v2.py'\nmodel = dict(size=256)\n")
    args = Namespace(config=str(mine), checkpoint=None, device='cpu', cfg_options=None)
    assert load_inferencer(args).model.size == 256


@pytest.mark.parametrize(
    'name', ['focus_mmdet::small/focus_small.py', 'configs/small/../small/focus_small.py']
)
def test_the_shipped_model_is_known_by_all_its_names(name):
    args = Namespace(config=name, checkpoint=None, device='cpu', cfg_options=None)
    assert load_inferencer(args).model.pretrained.endswith('focus-small')


def test_no_text_is_no_folder():
    assert folder('out') == Path('out')
    with pytest.raises(ArgumentTypeError):
        folder('')
