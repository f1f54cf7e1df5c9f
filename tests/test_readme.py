"""What the README prints works as printed."""

import re

from mmdet.registry import DATASETS
from mmengine.config import Config

from tests.conftest import ROOT

README = (ROOT / 'README.md').read_text()


def test_the_config_for_your_own_data_loads_and_reads_data(tmp_path, monkeypatch):
    code = next(
        block for block in re.findall(r'```python\n(.*?)```', README, re.S) if 'my_stage1.py' in block
    )
    monkeypatch.chdir(ROOT)
    path = tmp_path / 'my_stage1.py'
    path.write_text(code.replace("'configs/", f"'{ROOT}/configs/").replace('data/mine/', 'data/realset/'))
    config = Config.fromfile(str(path))
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        episode = DATASETS.build(loader.dataset)[0]
        assert len(episode['inputs']) == 2


def test_every_file_it_names_is_there():
    links = re.findall(r'\]\((?!http)([^)#]+)\)', README)
    tools = re.findall(r'(?:python|bash) ((?:tools|benchmarks)/[\w/]+\.(?:py|sh))', README)
    missing = [name for name in {*links, *tools} if not (ROOT / name).exists()]
    assert not missing
