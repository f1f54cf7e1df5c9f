"""A resumed run loads nothing twice and ends with the weights of one that ran through."""

from pathlib import Path

import pytest
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from focus_mmdet.errors import InputError
from tests.engine.processes.two_processes import KillWorkers
from tests.engine.test_training import LORA, assert_equal_weights, trained_weights


class NoteEpisode(BaseTransform):
    """Write down which episode was loaded; data workers do so too."""

    def __init__(self, path):
        self.path = path

    def transform(self, results):
        with open(self.path, 'a') as file:
            file.write(f'{results["img_id"]}\n')
        return results


@pytest.fixture
def run(make_config, monkeypatch):
    monkeypatch.setitem(TRANSFORMS._module_dict, 'NoteEpisode', NoteEpisode)

    def train(stage: int, name: str, max_iters: int, hooks=(), **options) -> tuple[str, list[int]]:
        """The work dir, and the episodes in the order they were loaded."""
        config = make_config(stage, name, **options)
        config.train_cfg.max_iters = max_iters
        config.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
        if config.get('resume'):
            config.experiment_name += '-resumed'
            config.visualizer.name += '-resumed'
        log = Path(f'{config.work_dir}-{max_iters}.txt')
        log.write_text('')
        dataset = config.train_dataloader.dataset
        dataset.episodes.shots = [1, 2]
        dataset.pipeline = [
            *dataset.pipeline[:1],
            dict(type='NoteEpisode', path=str(log)),
            *dataset.pipeline[1:],
        ]
        runner = Runner.from_cfg(config)
        for hook in hooks:
            runner.register_hook(hook)
        runner.train()
        return config.work_dir, [int(line) for line in log.read_text().split()]

    return train


GROUPED = {'train_dataloader.batch_sampler': dict(type='ShotGroupedBatchSampler')}
DROPOUT = {'model.bbox_head.lora': {**LORA, 'lora_dropout': 0.2}}


@pytest.mark.parametrize(
    ('stage', 'workers', 'options'),
    [(1, 0, DROPOUT), (1, 2, GROUPED), (2, 0, GROUPED), (2, 1, {})],
    ids=['dropout', 'workers-grouped', 'grpo-grouped', 'grpo-worker'],
)
def test_resuming_loads_nothing_twice(run, stage, workers, options):
    whole, episodes = run(stage, 'whole', 5, **options)
    options = {**options, 'train_dataloader.num_workers': workers}
    run(stage, 'half', 2, **options)
    resumed, loaded = run(stage, 'half', 5, resume=True, **options)
    if workers == 0:
        assert loaded == episodes[4:]
    else:  # They load ahead, and side by side.
        assert len(set(loaded)) == len(loaded)
        assert set(episodes[4:]) <= set(loaded)
        assert not set(episodes[:4]) & set(loaded)
    assert_equal_weights(trained_weights(whole, 5), trained_weights(resumed, 5))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'param_scheduler.1.end': 1000}, r'param_scheduler.1.end: \d+ then, 1000 now'),
        ({'optim_wrapper.optimizer.lr': 5e-5}, r'optimizer.lr: .* then, 5e-05 now'),
        ({'param_scheduler': None}, r'2 param_schedulers then, 0 now'),
        ({'optim_wrapper.optimizer.weight_decay': 0.9}, r'optimizer.weight_decay: .* then, 0.9 now'),
        ({'optim_wrapper.optimizer.type': 'Adam'}, r'optimizer.decoupled_weight_decay: True then, False now'),
    ],
)
def test_another_schedule_is_refused_rather_than_ignored(run, options, message):
    run(1, 'half', 2)
    with pytest.raises(InputError, match=message):
        run(1, 'half', 3, resume=True, **options)


def test_a_file_of_weights_alone_is_not_resumed(run, tmp_path):
    folder, _ = run(1, 'half', 2)
    weights = tmp_path / 'average.pth'
    torch.save({'state_dict': torch.load(f'{folder}/iter_2.pth', weights_only=False)['state_dict']}, weights)
    with pytest.raises(InputError, match=r'average.pth: holds weights, and nothing of the run'):
        run(1, 'again', 3, resume=True, load_from=str(weights))


def test_the_order_of_episodes_is_that_of_the_checkpoints_seed(run):
    _, episodes = run(1, 'whole', 4)
    run(1, 'half', 2)
    _, loaded = run(1, 'half', 4, resume=True, **{'randomness.seed': 7})
    assert loaded == episodes[4:]


def test_a_resumed_run_with_other_batches_says_what_that_does(run, monkeypatch):
    said = []
    monkeypatch.setattr('focus_mmdet.engine.loops.resumable.print_log', lambda text, *_: said.append(text))
    run(1, 'half', 2)
    run(1, 'half', 3, resume=True)
    assert said == []
    run(1, 'half', 4, resume=True, **{'train_dataloader.batch_size': 3})
    assert ['took 2 episodes an iteration and goes on with 3 from iteration 3' in text for text in said] == [
        True
    ]


def test_a_run_that_has_reached_its_end_says_so_and_changes_nothing(run, monkeypatch):
    said = []
    monkeypatch.setattr('focus_mmdet.engine.loops.resumable.print_log', lambda text, *_: said.append(text))
    folder, _ = run(1, 'done', 2)
    before = {path: path.stat().st_mtime_ns for path in Path(folder).glob('*.pth')}
    _, loaded = run(1, 'done', 2, resume=True)
    assert not loaded
    assert len(said) == 1
    assert 'Nothing to do: resumed after iteration 2' in said[0]
    assert before == {path: path.stat().st_mtime_ns for path in Path(folder).glob('*.pth')}


def test_a_run_without_iterations_says_that_nothing_is_trained(run, monkeypatch):
    said = []
    monkeypatch.setattr('focus_mmdet.engine.loops.resumable.print_log', lambda text, *_: said.append(text))
    run(1, 'none', 0)
    assert said == ['train_cfg.max_iters is 0: nothing is trained']


@pytest.mark.parametrize('accumulated', [1, 3])
def test_a_dead_worker_ends_the_run_between_iterations_and_loses_nothing(run, accumulated):
    options = {
        'train_dataloader.num_workers': 1,
        'train_dataloader.persistent_workers': True,
        'optim_wrapper.accumulative_counts': accumulated,
        'default_hooks.checkpoint.interval': 3,
    }
    next(iter(DataLoader([0], num_workers=1)))  # An earlier loader's handler is not to raise either.
    whole, _ = run(1, 'whole', 8, **options)
    with pytest.raises(InputError, match='is saved; go on' if accumulated == 1 else 'o on .*with --resume'):
        run(1, 'killed', 8, [KillWorkers(2)], **options)
    resumed, _ = run(1, 'killed', 8, resume=True, **options)
    assert_equal_weights(trained_weights(whole, 8), trained_weights(resumed, 8))
