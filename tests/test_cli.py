"""Where tools may write is known before they work."""

import os
import runpy
import sys

import pytest

from focus_mmdet.cli import _input_message, check_folder, read_config, run_cli
from focus_mmdet.engine.rewards import build_rewards
from focus_mmdet.errors import InputError
from tests.conftest import ROOT

STAGE1 = 'configs/focus_tiny_stage1.py'
NOWHERE = '/proc/nowhere'


def test_a_folder_that_can_be_made_is_left_unmade(tmp_path):
    check_folder('--out-dir', tmp_path / 'a' / 'b')
    check_folder('--out-dir', tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_in_the_way_of_a_folder_is_named(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    (tmp_path / 'link').symlink_to(tmp_path / 'gone')
    for name, message in [('file', 'file is a file'), ('link', 'link is a link to nowhere')]:
        with pytest.raises(InputError, match=rf'--out-dir .*{message}, not a folder'):
            check_folder('--out-dir', tmp_path / name / 'below')

    def refuse(**_):
        raise OSError(30, 'Read-only file system')

    monkeypatch.setattr('focus_mmdet.cli.TemporaryFile', refuse)
    with pytest.raises(InputError, match=r'cannot be written \(Read-only file system\)'):
        check_folder('--out-dir', tmp_path)


def test_a_place_that_turns_out_forbidden_is_named():
    assert _input_message(PermissionError(13, 'Permission denied', 'a/b')) == 'a/b: Permission denied'


@pytest.mark.parametrize('flush', [True, False])
def test_who_reads_no_further_ends_a_tool_quietly(monkeypatch, capfd, flush):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, 'w') as stdout:
        monkeypatch.setattr('sys.stdout', stdout)
        with pytest.raises(SystemExit) as ended:
            run_cli(lambda: print('found', flush=flush))
    assert ended.value.code == 141
    assert capfd.readouterr().err == ''


def test_another_broken_pipe_is_an_error():
    def main():
        raise BrokenPipeError(32, 'a worker died')

    with pytest.raises(BrokenPipeError):
        run_cli(main)


def test_a_misspelt_key_is_told_with_the_type_that_has_it(capsys):
    with pytest.raises(SystemExit):
        run_cli(lambda: build_rewards([dict(type='GIoUReward', wieght=1.0)]))
    assert capsys.readouterr().err == (
        "error: GIoUReward: Reward got an unexpected keyword argument 'wieght'. "
        'Check the spelling of the key in the config\n'
    )


def test_a_config_without_a_model_is_named(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('model = 3')
    with pytest.raises(InputError, match=rf'{path}: no model'):
        read_config(str(path))


@pytest.mark.skipif(sys.platform != 'linux', reason='needs a place where nobody may write')
@pytest.mark.parametrize(
    'call',
    [
        f'train.py {STAGE1} --work-dir {NOWHERE}',
        f'train.py {STAGE1} --cfg-options work_dir={NOWHERE}',
        f'test.py {STAGE1} none --work-dir {NOWHERE}',
        f'test.py {STAGE1} none --out {NOWHERE}/out.pkl',
        f'test.py {STAGE1} none --show-dir {NOWHERE}',
        f'browse_dataset.py {STAGE1} --output-dir {NOWHERE}',
        f'locate.py --support a.jpg:1,2,3,4 --query b.jpg --out-dir {NOWHERE}',
        f'build_tiny_vlm.py {NOWHERE}',
        f'analysis_tools/ablation.py configs/ablations/pairs.py --work-dir {NOWHERE}',
        f'analysis_tools/attention_report.py {STAGE1} a=none --out-dir {NOWHERE}',
        f'analysis_tools/compare_checkpoints.py {STAGE1} a=none --work-dir {NOWHERE}',
        f'model_converters/average.py a.pth b.pth --out {NOWHERE}/mean.pth',
        f'model_converters/mobilenet_v2.py a.pth {NOWHERE}',
        f'model_converters/publish_model.py a.pth {NOWHERE}/a',
        f'model_converters/to_huggingface.py {STAGE1} a.pth {NOWHERE}',
        f'model_converters/to_peft.py {STAGE1} a.pth {NOWHERE}',
        f'dataset_converters/folder.py data/realset --out {NOWHERE}/a.json',
        f'dataset_converters/iploc.py a.json --images data --box-order xyxy --out {NOWHERE}/a.json',
        f'dataset_converters/make_episodes.py a.json {NOWHERE}/a.json --protocol tao',
        f'dataset_converters/sprites.py data/sprites/test --out {NOWHERE}/a.json',
    ],
)
def test_tools_refuse_a_place_before_they_work(call, monkeypatch):
    name, *arguments = call.split()
    path = ROOT / 'tools' / name
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(path.parent)
    monkeypatch.setattr(sys, 'argv', [str(path), *arguments])
    with pytest.raises(InputError, match=rf'{NOWHERE}\S*: cannot be written'):
        runpy.run_path(str(path))['main']()
