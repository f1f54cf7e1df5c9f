"""What test_distributed.py plugs into two processes by ``custom_imports``."""

import json
import os
import signal
import subprocess
import time
from zlib import crc32

import torch
from mmdet.registry import HOOKS, LOOPS, TASK_UTILS
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from focus_mmdet.engine import GRPOTrainLoop, Reward
from focus_mmdet.engine.unwrap import detector_of


@TASK_UTILS.register_module()
class TextReward(Reward):
    """As good as random, and the same in every process."""

    name = 'text'

    def __call__(self, answers):
        return torch.tensor([crc32(text.encode()) % 1000 / 1000 for text in answers.texts])


@TASK_UTILS.register_module()
class FlatOnOneRank(TextReward):
    """No group of the second process has any spread."""

    def __call__(self, answers):
        return super().__call__(answers) * (get_rank() == 0)


@LOOPS.register_module()
class SkippingLoop(GRPOTrainLoop):
    """The mistake: a rank with nothing to learn takes no part."""

    def _update(self, step, rollout):
        if rollout.advantages.abs().max() == 0:
            zero = torch.zeros(())
            names = ['loss', 'loss_policy', 'entropy']
            return dict.fromkeys([*names, *[f'clip_ratio/{n}_mean' for n in ('low', 'high', 'region')]], zero)
        return super()._update(step, rollout)


@HOOKS.register_module()
class BrokenPixels(Hook):
    """In some iterations, one process gets images of NaN."""

    def __init__(self, iterations, rank=0):
        self.iterations, self.rank = iterations, rank

    def before_train(self, runner):
        speech = detector_of(runner.model).data_preprocessor

        def broken(module, inputs, output):
            if runner.iter + 1 in self.iterations and get_rank() == self.rank:
                for image in output['inputs'].vision:
                    image['pixel_values'].fill_(float('nan'))

        speech.register_forward_hook(broken)


@HOOKS.register_module()
class NoteSteps(Hook):
    """Write down the episodes of each step, a file for each process."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        with open(f'{runner.work_dir}/steps.{get_rank()}', 'a') as file:
            json.dump([runner.iter + 1, [sample.img_id for sample in data_batch['data_samples']]], file)
            file.write('\n')


@HOOKS.register_module()
class SignalAt(Hook):
    """Send one process, what launched it, or also its data workers a signal in the middle of an iteration."""

    def __init__(self, which, iteration, rank=0, launcher=False, workers=False):
        self.which, self.iteration, self.rank, self.workers = which, iteration, rank, workers
        self.pid = os.getppid() if launcher else os.getpid()

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration and get_rank() == self.rank:
            workers = runner.train_dataloader._iterator._workers if self.workers else []
            # By another process, as clusters do: workers listen to their parent. Of a session
            # of its own, or torchrun's signal to the group of a rank could reach it too.
            pids = [str(pid) for pid in (*(worker.pid for worker in workers), self.pid)]
            subprocess.run(['kill', f'-{int(self.which)}', *pids], check=True, start_new_session=True)


@HOOKS.register_module()
class KillWorkers(Hook):
    """The data workers of one process die."""

    def __init__(self, iteration, rank=0):
        self.iteration, self.rank = iteration, rank

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration and get_rank() == self.rank:
            for worker in runner.train_dataloader._iterator._workers:
                os.kill(worker.pid, signal.SIGKILL)
            time.sleep(0.5)  # The signal of their death comes in the middle of the iteration.
