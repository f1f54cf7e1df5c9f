"""Configs, the tiny base and data are found, or their lack explained, from any folder."""

import shutil

import pytest
from mmengine.config import Config

from focus_mmdet.cli import read_config
from focus_mmdet.datasets.drawn import SpriteEpisodeDataset
from focus_mmdet.engine.launch import check_inputs
from focus_mmdet.errors import InputError
from focus_mmdet.models.data_preprocessors.episode_encoder import EpisodeEncoder
from focus_mmdet.models.vlm.model_folder import model_folder
from tests.conftest import ROOT

BASE = 'checkpoints/focus-tiny-base'


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize('name', ['focus_stage1.py', 'ablations/sft.py'])
def test_a_config_inherits_from_one_of_the_package(tmp_path, name):
    (tmp_path / 'my.py').write_text(f"_base_ = 'focus_mmdet::{name}'\nmodel = dict(pretrained='mine')\n")
    mine = Config.fromfile('my.py')
    shipped = Config.fromfile(str(ROOT / 'configs' / name))
    shipped.model.pretrained = 'mine'
    # A scope of its own would send types to a registry that there is not.
    assert mine.to_dict() == shipped.to_dict()


@pytest.mark.parametrize('name', ['focus_mmdet::focus_stage1.py', 'configs/focus_stage1.py'])
def test_tools_take_a_config_of_the_package(name):
    assert read_config(name).filename == str(ROOT / 'configs/focus_stage1.py')


def test_a_misspelt_config_of_the_package_is_told(tmp_path):
    with pytest.raises(InputError, match=r'Did you mean focus_mmdet::focus_stage1\.py'):
        read_config('focus_mmdet::focus_stage_1.py')
    (tmp_path / 'my.py').write_text("_base_ = 'focus_mmdet::nothing_like_it'\n")
    with pytest.raises(InputError, match='They are in'):
        read_config('my.py')


def test_the_tiny_base_is_found_unless_there_is_one_here(tmp_path):
    assert EpisodeEncoder(BASE).language == (str(ROOT / BASE), False)
    shutil.copytree(ROOT / BASE, tmp_path / BASE)
    assert model_folder(BASE) == BASE
    (tmp_path / BASE / 'config.json').unlink()
    with pytest.raises(InputError, match='restore that folder'):
        model_folder(BASE)


def test_data_of_the_clone_is_told_from_data_to_fetch():
    tiny = read_config('focus_mmdet::focus_tiny_stage1.py')
    with pytest.raises(InputError, match=r'data/realset/train.json: .* in a clone .* your own'):
        check_inputs(tiny, ['train_dataloader'])
    with pytest.raises(InputError, match=r'data/sprites/train: no such folder.* in a clone'):
        SpriteEpisodeDataset('data/sprites/train', length=1)
    published = read_config('focus_mmdet::focus_stage1.py', {'model.pretrained': BASE})
    with pytest.raises(InputError, match=r'data/tao/train.json: .* Put the dataset there'):
        check_inputs(published, ['train_dataloader'])
