"""The sdist and the wheel: what they hold, and what can be done with the wheel alone."""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from tests.conftest import ROOT

CHECKPOINTS = [f'checkpoints/{name}' for name in ('focus-small', 'focus-small-base', 'focus-tiny-base')]
PARTS = ['focus_mmdet', 'configs', 'tools', *CHECKPOINTS]
CONFIG = """
_base_ = 'focus_mmdet::focus_tiny_stage1.py'
mine = dict(
    data_root='data/mine/',
    data_prefix=dict(img=''),
    episodes=dict(type='RandomEpisodes', shots=1, per_track=2),
)
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        _delete_=True,
        type='EpisodeDataset',
        ann_file='train.json',
        pipeline={{_base_.pipeline}},
        **mine,
    ),
)
val_dataloader = dict(dataset=dict(ann_file='train.json', **mine))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=2, val_interval=2, effective_batch=2)
"""


def run(*command: str | Path, folder: Path = ROOT) -> str:
    """Standard output of a command that must succeed, run without the clone on Python's path."""
    variables = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, capture_output=True, text=True, timeout=300,
        env={**variables, 'CUDA_VISIBLE_DEVICES': ''},
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.fixture(scope='module')
def built(tmp_path_factory) -> Path:
    """``dist`` with an sdist and the wheel made of it, ``direct`` with the wheel made of the clone."""
    folder = tmp_path_factory.mktemp('built')
    # A copy, because building writes into the folder that it builds.
    for part in PARTS:
        ignored = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / part, folder / 'clone' / part, ignore=ignored)
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, folder / 'clone')
    build = [sys.executable, '-m', 'build', '--no-isolation']
    run(*build, '--outdir', folder / 'dist', folder / 'clone')
    run(*build, '--wheel', '--outdir', folder / 'direct', folder / 'clone')
    return folder


def contents(wheel: Path) -> dict[str, int]:
    """Checksums by name."""
    with ZipFile(wheel) as file:
        return {info.filename: info.CRC for info in file.infolist()}


def test_the_sdist_makes_the_same_whole_wheel(built):
    (from_sdist,), (direct,) = (sorted((built / name).glob('*.whl')) for name in ('dist', 'direct'))
    assert contents(from_sdist) == contents(direct)
    in_clone = {
        path.relative_to(built / 'clone')
        for part in PARTS
        for path in (built / 'clone' / part).rglob('*')
        if path.is_file() and path.suffix != '.sh'
    }
    shipped = {Path(name.replace('focus_mmdet/.mim/', '')) for name in contents(direct)}
    assert in_clone <= shipped
    assert Path('tools/dist_train.sh') in shipped
    assert Path('model-index.yml') in shipped


def test_pypi_would_take_them(built):
    run(sys.executable, '-m', 'twine', 'check', '--strict', *sorted((built / 'dist').iterdir()))


@pytest.fixture(scope='module')
def focus(built, tmp_path_factory) -> Callable[..., str]:
    """The command ``focus`` of a new environment with the wheel, beside the packages of this one."""
    folder = tmp_path_factory.mktemp('environment')
    venv.create(folder)
    (wheel,) = (built / 'dist').glob('*.whl')
    pip = [
        sys.executable,
        '-m',
        'pip',
        '--python',
        folder / 'bin/python',
        'install',
        '--no-index',
        '--no-deps',
    ]
    run(*pip, wheel)
    (site,) = folder.glob('lib/python*/site-packages')
    # Named by a .pth file, whose own .pth files, among them that of an editable clone, are not read.
    (site / 'others.pth').write_text('\n'.join(path for path in sys.path if path.endswith('site-packages')))

    def call(*arguments: str, folder: Path) -> str:
        return run(site.parents[2] / 'bin/focus', *arguments, folder=folder)

    assert str(site / 'focus_mmdet/.mim/configs') in call('--help', folder=folder)
    return call


@pytest.fixture
def photographs(tmp_path) -> Path:
    """An otherwise empty folder with ``data/mine``: two objects, three pictures of each."""
    folder = tmp_path / 'data/mine'
    folder.mkdir(parents=True)
    images, annotations = [], []
    for number in range(6):
        x = 8 * number
        picture = Image.new('RGB', (96, 64), 'white')
        picture.paste(['navy', 'olive'][number % 2], (x, 8, x + 32, 40))
        picture.save(folder / f'{number}.png')
        images.append(
            dict(id=number, file_name=f'{number}.png', width=96, height=64, video_id=number, frame_id=0)
        )
        annotations.append(dict(id=number, image_id=number, instance_id=number % 2, bbox=[x, 8, 32, 32]))
    (folder / 'train.json').write_text(json.dumps({'images': images, 'annotations': annotations}))
    return tmp_path


def test_the_wheel_alone_trains_on_ones_own_data_and_locates(focus, photographs):
    (photographs / 'my.py').write_text(CONFIG)
    focus('train', 'my.py', folder=photographs)
    assert (photographs / 'work_dirs/my/iter_2.pth').stat().st_size > 1e6
    printed = focus(
        'locate', '--checkpoint', 'none', '--support', 'data/mine/0.png:0,8,32,40',
        '--query', 'data/mine/2.png', '--out-dir', 'out', folder=photographs,
    )  # fmt: skip
    assert json.loads(printed.splitlines()[-1])['query'] == 'data/mine/2.png'
