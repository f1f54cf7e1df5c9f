"""The command-line tools as a user runs them: what they print and how they end."""

import ast
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from focus_mmdet.datasets.video import read_frames
from focus_mmdet.engine.rewards import Answers
from focus_mmdet.errors import InputError
from tests.conftest import ROOT
from tests.forked_run import run_tool

STAGE1, STAGE2 = 'configs/focus_tiny_stage1.py', 'configs/focus_tiny_stage2.py'
MATCHER = 'configs/feature_matcher_mobilenet_v2.py'


def options(folder: str) -> list[str]:
    return [
        '--cfg-options', f'model.pretrained={folder}', 'val_dataloader.dataset.episodes.per_track=1',
        'val_dataloader.num_workers=0', 'test_dataloader.dataset.episodes.per_track=1',
        'test_dataloader.num_workers=0',
    ]  # fmt: skip


@pytest.fixture(scope='module')
def untrained(vlm_folder, tmp_path_factory):
    """A checkpoint of the tiny model as it is."""
    from mmengine.config import Config

    from focus_mmdet.models import FocusDetector

    head = Config.fromfile(str(ROOT / STAGE2)).model.bbox_head
    path = tmp_path_factory.mktemp('checkpoint') / 'untrained.pth'
    torch.save({'meta': {}, 'state_dict': FocusDetector(vlm_folder(), dict(head)).state_dict()}, path)
    return str(path)


def test_no_script_imports_of_mmdet_what_needs_our_stand_in_first():
    """Forked tools cannot tell: their server has imported focus_mmdet."""
    lines = []
    for path in [
        path for folder in ('tools', 'benchmarks', 'projects') for path in (ROOT / folder).rglob('*.py')
    ]:
        for node in ast.parse(path.read_text()).body:
            names = [node.module or ''] if isinstance(node, ast.ImportFrom) else []
            names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if any(name.startswith('focus_mmdet') for name in names):
                break
            if any(name.startswith('mm') for name in names):
                lines.append(ast.unparse(node))
    done = subprocess.run(
        [sys.executable, '-c', '\n'.join(lines)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_testing_writes_predictions_and_pictures(vlm_folder, untrained, tmp_path):
    done = run_tool(
        'tools/test.py', STAGE2, untrained, '--work-dir', str(tmp_path), '--out', str(tmp_path / 'out.pkl'),
        '--show-dir', str(tmp_path / 'pictures'), *options(vlm_folder()),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / 'out.pkl').stat().st_size > 0
    assert len(list((tmp_path / 'pictures').glob('*.png'))) == 8


def test_pictures_are_drawn_for_a_config_with_hooks_of_mmdetections_or_none(vlm_folder, tmp_path):
    changed = '_base_ = "focus_mmdet::focus_tiny_stage2.py"\n'
    changed += 'visualizer = dict(_delete_=True, type="DetLocalVisualizer")\n'
    for name, hooks in {'stock': "dict(_delete_=True, type='DetVisualizationHook')", 'none': 'None'}.items():
        config = tmp_path / f'{name}.py'
        config.write_text(f'{changed}default_hooks = dict(visualization={hooks}, stop=None)\n')
        done = run_tool(
            'tools/test.py', str(config), 'none', '--work-dir', str(tmp_path / 'work'),
            '--show-dir', str(tmp_path / name), *options(vlm_folder()),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        assert (tmp_path / name / 'episode_00007.png').is_file()


def test_comparing_ends_with_a_line_of_json(vlm_folder, untrained, tmp_path):
    done = run_tool(
        'tools/analysis_tools/compare_checkpoints.py', STAGE2, 'base=none', f'tuned={untrained}',
        '--work-dir', str(tmp_path), *options(vlm_folder()),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    assert list(figures) == ['base', 'tuned', 'copy_support', 'fixed_box', 'matcher']
    assert figures['base'] == figures['tuned']
    assert 0.2 < figures['copy_support'] < 0.8


def test_options_of_the_test_set_go_over_the_configs_of_rows(vlm_folder, tmp_path):
    done = run_tool(
        'tools/analysis_tools/compare_checkpoints.py', STAGE2, 'base=none', f'features={MATCHER}',
        '--work-dir', str(tmp_path), *options(vlm_folder()),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert list(json.loads(done.stdout.strip().splitlines()[-1]))[:2] == ['base', 'features']


def test_the_attention_report_shares_out_everything(vlm_folder, untrained, tmp_path):
    done = run_tool(
        'tools/analysis_tools/attention_report.py', STAGE2, 'before=none', f'after={untrained}',
        '--out-dir', str(tmp_path / 'report'), '--episodes', '3', *options(vlm_folder()),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.strip().splitlines()[-1])
    assert report['before'] == report['after']
    for layer in zip(*report['before'].values(), strict=True):
        assert abs(sum(layer) - 1) < 1e-3
    assert (tmp_path / 'report' / 'attention.png').stat().st_size > 1000


def test_the_headroom_of_grpo_lies_between_the_worst_and_the_best_answer(vlm_folder, untrained):
    done = run_tool(
        'tools/analysis_tools/grpo_headroom.py', STAGE2, untrained, '--answers', '3', '--episodes', '3',
        *options(vlm_folder()),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    assert figures['drawn'] <= figures['best']
    assert figures['consensus'] <= figures['best']


def test_consensus_is_the_answer_that_others_agree_with():
    sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))
    from grpo_headroom import consensus

    texts = ['[0, 0, 10, 10]', '[50, 50, 60, 60]', '[1, 0, 10, 10]', 'no box', 'no box', '[0, 0, 4, 4]']
    answers = Answers.read(texts, torch.ones(6, 4), [0] * 3 + [1] * 3)
    assert consensus(answers, 3).tolist() == [0, 2]


def test_browsing_draws_both_kinds_of_episodes(tmp_path):
    done = run_tool('tools/browse_dataset.py', STAGE1, '--output-dir', str(tmp_path), '--number', '5')
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list(tmp_path.glob('*.png'))) == 5


def test_locating_prints_a_box_per_query(vlm_folder, untrained, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = ['{ROOT / STAGE2}']\nmodel = dict(pretrained='{vlm_folder()}')\n")
    photos = [f'data/realset/images/duck_toy_0000{i}.jpg' for i in range(3)]
    done = run_tool(
        'tools/locate.py', '--config', str(config), '--checkpoint', untrained,
        '--support', f'{photos[0]}:10,10,200,200', '--query', *photos[1:], '--out-dir', str(tmp_path / 'out'),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
    assert [line['query'] for line in lines] == photos[1:]
    assert len(list((tmp_path / 'out').glob('*.png'))) == 2


@pytest.fixture
def clip(tmp_path):
    """Five frames of one colour each, 64 x 48 pixels."""
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 5, (64, 48))
    for number in range(5):
        writer.write(np.full((48, 64, 3), 50 * number, np.uint8))
    writer.release()
    return str(path)


def test_frames_of_a_video_are_counted_from_zero(clip):
    frames = dict(read_frames(clip, every=2, first=1))
    assert {number: round(frame.mean() / 50) for number, frame in frames.items()} == {1: 1, 3: 3}
    with pytest.raises(InputError, match='no frame 9: it has 5 frames'):
        next(read_frames(clip, first=9))


@pytest.mark.parametrize('content', ['', 'no video'])
def test_what_is_no_video_is_named(tmp_path, content):
    (tmp_path / 'a.mp4').write_text(content)
    with pytest.raises(InputError, match=r'a\.mp4: no frame can be read'):
        list(read_frames(str(tmp_path / 'a.mp4')))


def test_locating_in_a_video(vlm_folder, clip, tmp_path):
    done = run_tool(
        'tools/locate.py', '--config', STAGE2, '--cfg-options', f'model.pretrained={vlm_folder()}',
        '--checkpoint', 'none', '--support', f'{clip}#1:5,5,40,40', '--query', clip, f'{clip}#4',
        '--every', '2', '--out-dir', str(tmp_path / 'out'),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
    assert [line['frame'] for line in lines] == [0, 2, 4, 4]
    assert len(list((tmp_path / 'out').glob('*.png'))) == 4


BAD_CALLS = {
    'no config': (['tools/train.py', 'configs/nothing.py'], 'configs/nothing.py'),
    '7B weights missing': (['tools/train.py', 'configs/focus_stage1.py'], 'hf download Qwen/Qwen2-VL-7B'),
    '7B stage 2': (['tools/train.py', 'configs/focus_stage2.py'], 'hf download Qwen/Qwen2-VL-7B'),
    'no checkpoint': (['tools/test.py', STAGE2, 'gone.pth'], 'gone.pth'),
    'wrong ending': (['tools/test.py', STAGE2, 'x.pth', '--out', 'out.txt'], '.pkl'),
    'too few layers to practise': (
        ['tools/build_small_vlm.py', 'small', '--eyes', 'eyes', '--pictures', 'a.jpg', '--layers', '3'],
        '--layers=3: give a whole number at least 4',
    ),
    'videos among the pictures': (
        ['tools/build_small_vlm.py', 'small', '--eyes', 'eyes', '--pictures', 'a.jpg', 'b.mp4'],
        '--pictures: there are videos among them',
    ),
    'support without box': (
        ['tools/locate.py', '--support', 'a.jpg', '--query', 'b.jpg', '--out-dir', 'o'],
        'PICTURE:x1,y1,x2,y2',
    ),
    'no video': (
        ['tools/locate.py', '--support', 'gone.mp4#3:1,2,3,4', '--query', 'b.jpg', '--out-dir', 'o'],
        'gone.mp4: no such video',
    ),
    'video without frame': (
        ['tools/locate.py', '--support', 'a.mkv:1,2,3,4', '--query', 'b.jpg', '--out-dir', 'o'],
        'a.mkv: write VIDEO#FRAME',
    ),
    'misspelt hook key': (
        ['tools/train.py', STAGE1, '--cfg-options', 'custom_hooks.0.margn=0.1'],
        "AttentionSupervisionHook got an unexpected keyword argument 'margn'",
    ),
    'misspelt type': (
        ['tools/train.py', STAGE1, '--cfg-options', 'custom_hooks.0.type=AttentionSupervisonHook'],
        'AttentionSupervisonHook is not in the',
    ),
    'misspelt top level': (
        ['tools/train.py', STAGE1, '--cfg-options', 'trian_cfg.max_iters=3'],
        "did you mean 'train_cfg'",
    ),
    'stage 2 before stage 1': (
        ['tools/train.py', STAGE2, '--cfg-options', 'load_from=work_dirs/none/iter_1.pth'],
        'Train the earlier stage first',
    ),
    'nothing to resume, no stage 1': (
        ['tools/train.py', STAGE2, '--resume', '--cfg-options', 'load_from=work_dirs/none/iter_1.pth'],
        'Train the earlier stage first',
    ),
    'amp without a GPU': (['tools/train.py', STAGE1, '--amp'], '--amp needs a GPU'),
    'memory of what does not train': (
        ['tools/analysis_tools/estimate_memory.py', MATCHER],
        'FeatureMatcher does not train',
    ),
    'photographs in a file': (['tools/dataset_converters/folder.py', 'README.md'], 'README.md: a file; give'),
    'file as folder': (['tools/test.py', STAGE2, 'x.pth', '--show-dir', 'README.md'], 'README.md is a file'),
    'no pairs': (['tools/analysis_tools/compare_checkpoints.py', STAGE2, 'x.pth'], 'NAME=CHECKPOINT'),
    'a name twice': (
        ['tools/analysis_tools/compare_checkpoints.py', STAGE2, 'a=none', 'a=x.pth'],
        "a=x.pth: 'a' is also none",
    ),
    'attention of what has none': (
        ['tools/analysis_tools/attention_report.py', MATCHER, 'a=none', '--out-dir', 'work_dirs/none'],
        'FeatureMatcher gives no attention',
    ),
    'a config that would inherit from itself': (
        ['tools/analysis_tools/calibrate_scores.py', MATCHER, 'none', '--out', MATCHER],
        'it would inherit from itself',
    ),
    'a config over another file': (
        ['tools/analysis_tools/calibrate_scores.py', MATCHER, 'none', '--out', 'setup.py'],
        'setup.py: exists, and this tool did not write it',
    ),
    'a config that is none by its name': (
        ['tools/analysis_tools/calibrate_scores.py', MATCHER, 'none', '--out', 'gone.txt'],
        'give a name that ends with .py',
    ),
    'no checkpoint to export': (
        ['tools/model_converters/to_huggingface.py', STAGE2, 'gone.pth', 'work_dirs/none'],
        'gone.pth: no such checkpoint',
    ),
}


@pytest.mark.parametrize('name', BAD_CALLS)
def test_bad_calls_end_with_one_message(vlm_folder, tmp_path, name):
    call, message = BAD_CALLS[name]
    extra = ['--work-dir', str(tmp_path)] if call[0] in ('tools/train.py', 'tools/test.py') else []
    if 'tiny' in ' '.join(call) and extra:
        call = call if '--cfg-options' in call else [*call, '--cfg-options']
        call = [*call, f'model.pretrained={vlm_folder()}']
    done = run_tool(*call, *extra)
    assert done.returncode == 2
    assert message in done.stderr
    assert 'Traceback' not in done.stderr
    assert not list(tmp_path.rglob('*.pth'))


def test_a_broken_config_is_named(tmp_path):
    path = tmp_path / 'broken.py'
    for content, message in [
        ('a = (', 'cannot be read'),
        ("_base_ = 'gone.py'", 'gone.py'),
        ('a = 1', 'no model'),
    ]:
        path.write_text(content)
        done = run_tool('tools/train.py', str(path))
        assert done.returncode == 2
        assert f'{path}' in done.stderr
        assert message in done.stderr


def test_a_split_never_leaves_a_part_empty(tmp_path):
    content = json.loads((ROOT / 'data/realset/train.json').read_text())
    for image in content['images']:
        image['video_id'] = 1
        image['file_name'] = f'{ROOT}/data/realset/{image["file_name"]}'
    for index, image in enumerate(content['images']):
        image['frame_id'] = index
    (tmp_path / 'one.json').write_text(json.dumps(content))
    path = str(tmp_path / 'one.json')
    done = run_tool('tools/dataset_converters/split_by_instance.py', path, '--allow-outside')
    assert done.returncode == 2
    assert 'no two objects that share no video' in done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / 'one.json']


def test_missing_data_is_reported_before_training(vlm_folder, tmp_path):
    done = run_tool(
        'tools/train.py', 'configs/focus_stage1.py', '--work-dir', str(tmp_path),
        '--cfg-options', f'model.pretrained={vlm_folder("qwen2_vl")}', 'model.bbox_head.dtype=float32',
    )  # fmt: skip
    assert done.returncode == 2
    assert 'data/tao/train.json' in done.stderr


def test_an_image_that_breaks_in_a_data_worker_ends_with_its_name(vlm_folder, tmp_path):
    source = json.loads((ROOT / 'data/realset/train.json').read_text())
    for image in source['images']:
        image['file_name'] = str(ROOT / 'data/realset' / image['file_name'])
    # The header is sound, so only decoding can tell: an image cut to nothing.
    broken = tmp_path / 'broken.png'
    Image.new('RGB', (480, 480)).save(broken)
    broken.write_bytes(broken.read_bytes()[:60])
    source['images'][0]['file_name'] = str(broken)
    (tmp_path / 'train.json').write_text(json.dumps(source))
    done = run_tool(
        'tools/train.py', STAGE1, '--work-dir', str(tmp_path / 'work'),
        '--cfg-options', f'model.pretrained={vlm_folder()}',
        f'train_dataloader.dataset.datasets.0.dataset.ann_file={tmp_path}/train.json',
        'train_dataloader.dataset.datasets.0.dataset.allow_outside=True',
        'train_dataloader.dataset.datasets.1.length=1', 'train_cfg.max_iters=50',
    )  # fmt: skip
    assert done.returncode == 2
    assert f'{broken}: cannot be read as an image' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    ('script', 'fourth', 'expected'),
    [
        ('train', 'work_dirs/x', ['train.py', 'c.py', '--work-dir', 'work_dirs/x']),
        ('test', 'x.pth', ['test.py', 'c.py', 'x.pth']),
    ],
)
def test_slurm_scripts_ask_for_one_process_a_gpu(tmp_path, script, fourth, expected):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    done = subprocess.run(
        ['bash', f'tools/slurm_{script}.sh', 'part', 'job', 'c.py', fourth, '16', '--cfg-options', 'a=b c'],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'SRUN_ARGS': '--qos=low --time=1:00'},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    words = done.stdout.splitlines()
    assert {'--partition=part', '--job-name=job', '--ntasks=16', '--ntasks-per-node=8'} <= set(words)
    assert {'--gres=gpu:8', '--qos=low', '--time=1:00'} <= set(words)
    command = words[words.index('-u') + 1 :]
    command[0] = os.path.basename(command[0])
    assert command == [*expected, '--launcher', 'slurm', '--cfg-options', 'a=b c']


@pytest.mark.parametrize(
    ('script', 'arguments'),
    [('dist_train', 'c.py --resume'), ('dist_test', 'c.py x.pth'), ('slurm_train', 'p j c.py w --resume')],
)
def test_scripts_say_what_they_take(script, arguments):
    call = ['bash', f'tools/{script}.sh', *arguments.split()]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert f'usage: bash tools/{script}.sh' in done.stderr


def test_a_published_checkpoint_is_named_after_its_contents(untrained, vlm_folder, tmp_path):
    import hashlib

    import torch
    from mmengine.runner import load_checkpoint

    from focus_mmdet.models import FocusDetector

    trained = tmp_path / 'iter_2.pth'
    content = {**torch.load(untrained), 'optimizer': {'state': torch.zeros(9)}, 'message_hub': {}}
    content['meta'] = {'cfg': f'work_dir = {str(tmp_path)!r}', 'iter': 2}
    torch.save(content, trained)
    done = run_tool('tools/model_converters/publish_model.py', str(trained), str(tmp_path / 'focus.pth'))
    assert done.returncode == 0, done.stderr
    path = next(tmp_path.glob('focus-*.pth'))
    assert path.stem == f'focus-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}'
    published = torch.load(path, weights_only=True)
    assert published.keys() == {'meta', 'state_dict'}
    assert published['meta'] == {'iter': 2}
    assert str(tmp_path) not in str(published['state_dict']._metadata), 'no path of this machine'
    detector = FocusDetector(vlm_folder(), dict(type='VLMHead', freeze_vision=True))
    load_checkpoint(detector, str(path), map_location='cpu')
    torch.save({'state': torch.zeros(1)}, trained)
    done = run_tool('tools/model_converters/publish_model.py', str(trained), str(tmp_path / 'other'))
    assert done.returncode == 2
    assert 'not a checkpoint written by tools/train.py' in done.stderr
