"""What README and docs print works as printed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmdet.registry import DATA_SAMPLERS, DATASETS
from mmengine.config import Config
from PIL import Image

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.apis.export import export_huggingface, load_detector
from focus_mmdet.core.prompt import TASK
from focus_mmdet.engine.launch import check_saving
from tests.conftest import ROOT

#: What a script is given for AutoProcessor.
PROCESSOR = """
from focus_mmdet.models.vlm.processor import load_processor
from focus_mmdet.models.vlm.vlm import load_family

class AutoProcessor:
    from_pretrained = staticmethod(lambda path: load_processor(path, load_family(path)))
"""
PAGES = [ROOT / 'README.md', *sorted(ROOT.glob('docs/*.md')), *sorted(ROOT.glob('projects/*/README.md'))]


def python_block(page: str, words: str) -> str:
    """The one block of ``page`` that holds ``words``."""
    (found,) = [
        block
        for block in re.findall(r'```python\n(.*?)```', (ROOT / page).read_text(), re.S)
        if words in block
    ]
    return found


def load(code: str, folder: Path) -> Config:
    for where in ("'configs/", "'/path/to/focus_mmdet/configs/"):
        code = code.replace(where, f"'{ROOT}/configs/")
    for where in ('data/mine/', '/path/to/mine/'):
        code = code.replace(where, f'{ROOT}/data/realset/')
    path = folder / 'config.py'
    path.write_text(code)
    return Config.fromfile(str(path))


@pytest.mark.parametrize(
    ('page', 'base'),
    [
        ('README.md', 'small/focus_small_mine_stage1.py'),
        ('README.md', 'small/focus_small_mine_stage2.py'),
        ('README.md', 'focus_stage1_tao.py'),
        ('README.md', 'focus_stage2_tao.py'),
        ('docs/installing.md', 'focus_stage1_tao.py'),
    ],
)
def test_the_config_for_your_own_data_reads_data(tmp_path, page, base):
    code = re.sub(r'configs/[\w/]+\.py', f'configs/{base}', python_block(page, 'mine = dict('))
    config = load(code, tmp_path)
    check_saving(config)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        dataset = DATASETS.build(loader.dataset)
        assert len(dataset[0]['inputs']) == 2
        assert DATA_SAMPLERS.build(loader.sampler, default_args=dict(dataset=dataset, seed=0))


def test_the_config_of_another_dataset(tmp_path):
    config = load(python_block('docs/datasets.md', 'davis.py'), tmp_path)
    check_saving(config)
    assert config.train_dataloader.dataset.data_root == 'data/davis/'
    assert config.test_dataloader.collate_fn.pretrained == config.model.pretrained


def test_a_hook_is_added_to_those_that_are_there(tmp_path):
    config = load(python_block('docs/training.md', 'ThroughputHook'), tmp_path)
    assert [hook.type for hook in config.custom_hooks] == ['AttentionSupervisionHook', 'ThroughputHook']


def test_a_backend_is_added_to_the_one_that_is_there(tmp_path):
    visualizer = load(python_block('docs/training.md', 'TensorboardVisBackend'), tmp_path).visualizer
    assert visualizer.type == 'EpisodeVisualizer'
    assert [each.type for each in visualizer.vis_backends] == ['LocalVisBackend', 'TensorboardVisBackend']


def test_the_script_for_an_exported_model_answers_as_we_do(tmp_path):
    config = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage1.py'))
    config.model.pretrained = str(ROOT / config.model.pretrained)
    export_huggingface(load_detector(config, None), tmp_path / 'merged')
    for name, colour in (('a.jpg', 'navy'), ('b.jpg', 'olive')):
        picture = Image.new('RGB', (64, 64), 'white')
        picture.paste(colour, (16, 8, 48, 40))
        picture.save(tmp_path / name)
    code = python_block('docs/exporting.md', 'AutoProcessor')
    code = code.replace('(12, 40, 200, 310)', '(16, 8, 48, 40)').replace('276480', '4096')
    # Its processor needs torchvision, which the tests do without.
    code = code.replace('AutoModelForImageTextToText, AutoProcessor', 'AutoModelForImageTextToText')
    code = PROCESSOR + code
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (found,) = InContextInferencer(config)([tmp_path / 'b.jpg'], [(tmp_path / 'a.jpg', (16, 8, 48, 40))])
    assert json.loads(done.stdout.splitlines()[-1]) == pytest.approx(found.box)
    assert ''.join(re.findall(r"^        '(.*)'$", code, re.M)) == TASK


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_every_file_it_names_is_there(page):
    text = page.read_text()
    links = {page.parent / name for name in re.findall(r'\]\((?!http)([^)#]+)(?:#[^)]*)?\)', text)}
    scripts = re.findall(r'(?:python|bash) ((?:tools|benchmarks|projects)/[\w/]+\.(?:py|sh))', text)
    configs = re.findall(r'(?<![\w/])configs/[\w/.-]+\.py', text)
    named = {ROOT / name for name in [*scripts, *configs]}
    assert not [str(path) for path in links | named if not path.exists()]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_every_heading_it_points_to_is_there(page):
    for file, heading in re.findall(r'\]\((?!http)([^)#]*)#([^)]+)\)', page.read_text()):
        target = (page.parent / file) if file else page
        titles = re.findall(r'^#+ (.+)$', target.read_text(), re.M)
        assert heading in [re.sub(r'[^\w -]', '', title).lower().replace(' ', '-') for title in titles]
