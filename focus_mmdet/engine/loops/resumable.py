"""Go on where a run stopped, without loading again what it was trained on."""

import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Any

import numpy as np
from mmdet.registry import LOOPS
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank, get_world_size, is_main_process
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner, set_random_seed
from torch.utils.data import DataLoader
from torch.utils.data._utils import signal_handling

from focus_mmdet.engine.checkpoints.saving import save_now, save_together
from focus_mmdet.engine.data_workers import start_workers_alone
from focus_mmdet.engine.effective_batch import batches_per_step
from focus_mmdet.engine.loops.passes import log_passes
from focus_mmdet.engine.loops.same_schedule import SameScheduleHook
from focus_mmdet.engine.mean_over_ranks import mean_over_ranks
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.sharding import is_sharded


@LOOPS.register_module()
class ResumableTrainLoop(IterBasedTrainLoop):
    """MMEngine's loop over iterations, where resuming costs and changes nothing.

    - With ``effective_batch`` an iteration is a step of so many episodes,
      whatever the number of processes: each adds up the gradients of as many
      batches as that takes. Whatever counts iterations then counts steps, and
      hooks are called once a step. The same episodes make up each step, and a
      run goes on with another number of processes.
    - The sampler is advanced, not the loader: no image of an earlier
      iteration is loaded. (With a sampler other than ``InfiniteSampler``,
      MMEngine's way remains: they are all loaded once more.) A warning says
      where the earlier run took another number of episodes an iteration.
    - The random state of every iteration, and of what the main process loads
      for it, is derived from (seed, iteration, rank). Data workers start
      their random states anew.
    - A data worker that dies ends the run between two iterations. What is
      learned is saved where the first process can do so alone and no
      accumulated gradient would be lost.
    - Another schedule than the checkpoint's is refused. A run that has
      reached its end ends again, and says so.
    - What is logged is the mean over all processes. How often each dataset is
      gone through is said at the start.

    Args:
        runner: The runner.
        dataloader: Config of the training dataloader.
        *args: As of ``IterBasedTrainLoop``.
        effective_batch: Episodes of a step, over all processes. None: an
            iteration is one batch of every process, and
            ``optim_wrapper.accumulative_counts`` is MMEngine's.
        **kwargs: As of ``IterBasedTrainLoop``.

    Raises:
        InputError: ``effective_batch`` cannot be met exactly.
    """

    def __init__(
        self, runner: Runner, dataloader: Any, *args: Any, effective_batch: int | None = None, **kwargs: Any
    ) -> None:
        different = runner._randomness_cfg.get('diff_rank_seed', False)
        loader = runner.build_dataloader(dataloader, runner.seed, different)
        start_workers_alone(loader)
        #: Of each process.
        self.batches_per_step = 1
        if effective_batch is not None:
            self.batches_per_step = _batches_per_step(runner, loader, effective_batch)
            _scale_lr_by_steps(runner, self.batches_per_step)
        super().__init__(runner, _Resumed(loader, self, runner.seed), *args, **kwargs)
        # Behind what tells whether it is a checkpoint to resume at all.
        runner.register_hook(SameScheduleHook(), priority='LOW')
        if is_sharded(runner.model):
            save_together(runner)

    def run(self) -> Any:
        if self._iter >= self._max_iters > 0:
            print_log(
                f'Nothing to do: resumed after iteration {self._iter}, and train_cfg.max_iters is '
                f'{self._max_iters}',
                'current',
                logging.WARNING,
            )
            return self.runner.model
        if not self._max_iters:
            print_log('train_cfg.max_iters is 0: nothing is trained', 'current', logging.WARNING)
        self._count_backward_passes()
        log_passes(self.dataloader.batch_sampler, self._max_iters, self.batches_per_step)
        return super().run()

    def _count_backward_passes(self) -> None:
        """Let the optimizer wrapper step after the batches of a step."""
        if self.batches_per_step > 1:
            wrapper = self.runner.optim_wrapper
            wrapper._accumulative_counts = self.batches_per_step
            passes = (iterations * self.batches_per_step for iterations in (self._iter, self._max_iters))
            wrapper.initialize_count_status(self.runner.model, *passes)

    def batches_of_step(self, first: Any) -> Iterator[Any]:
        """This process's batches of the step that ``first`` begins, loaded as they are asked for."""
        yield first
        for _ in range(self.batches_per_step - 1):
            yield next(self.dataloader_iterator)

    def run_iter(self, data_batch: Any) -> None:
        """One step. Where it has several batches, hooks get their ``data_samples`` alone behind it."""
        self.runner.call_hook('before_train_iter', batch_idx=self._iter, data_batch=data_batch)
        outputs, samples = [], []
        for batch in self.batches_of_step(data_batch):
            outputs.append(self.runner.model.train_step(batch, optim_wrapper=self.runner.optim_wrapper))
            samples += batch['data_samples']
        self.runner.call_hook(
            'after_train_iter',
            batch_idx=self._iter,
            # Images would keep the memory of the whole step.
            data_batch=data_batch if len(outputs) == 1 else {'data_samples': samples},
            outputs=mean_over_ranks(_mean(outputs)),
        )
        self._iter += 1

    def seed_iteration(self) -> None:
        """Set the random state that this iteration has in any run."""
        state = np.random.SeedSequence([self.runner.seed, self._iter, get_rank()])
        set_random_seed(int(state.generate_state(1)[0]))


def _batches_per_step(runner: Runner, loader: DataLoader, effective_batch: int) -> int:
    sampler: Any = loader.batch_sampler
    if not isinstance(getattr(sampler, 'sampler', None), InfiniteSampler):
        raise InputError(
            f'train_cfg.effective_batch={effective_batch}: steps of equally many episodes need '
            "train_dataloader.sampler=dict(type='InfiniteSampler')"
        )
    wrapper = runner.optim_wrapper if isinstance(runner.optim_wrapper, dict) else {}
    counts = wrapper.get('accumulative_counts')
    return batches_per_step(effective_batch, sampler.batch_size, get_world_size(), counts)


def _scale_lr_by_steps(runner: Runner, batches: int) -> None:
    """MMEngine scales the learning rate by one batch of every process, and a step has several."""
    scaling = runner.auto_scale_lr or {}
    if 'base_batch_size' in scaling:
        runner.auto_scale_lr = {**scaling, 'base_batch_size': scaling['base_batch_size'] / batches}


def _mean(outputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: sum(each[name] for each in outputs) / len(outputs) for name in outputs[0]}


class _Resumed:
    """A dataloader that starts its workers late, behind what was trained on.

    MMEngine starts to iterate before it has read the checkpoint, and then
    draws a batch for every iteration of the earlier run to throw it away.
    """

    def __init__(self, loader: DataLoader, loop: ResumableTrainLoop, seed: int) -> None:
        self._loader, self._loop, self._seed = loader, loop, seed
        self._passed: Iterator[Any] = iter(())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        """None for each batch of an earlier run, then batches."""
        sampler: Any = self._loader.batch_sampler
        if isinstance(getattr(sampler, 'sampler', None), InfiniteSampler):
            if sampler.sampler.seed == self._seed:
                # The checkpoint's, which the runner has by now.
                sampler.sampler.seed = self._loop.runner.seed
            if hasattr(sampler, 'batch_size'):
                batches = self._loop.batches_per_step * get_world_size()
                self._warn_other_batches(batches * sampler.batch_size)
            # Kept: this generator's end would be the end of the sampler's, which goes on from here.
            self._passed = iter(sampler)
            for _ in range(self._loop.iter):
                list(islice(self._passed, self._loop.batches_per_step))
                yield None
        batches = _iterate_quietly(self._loader)
        for number in count():
            if number % self._loop.batches_per_step == 0:
                self._loop.seed_iteration()
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (RuntimeError, OSError, EOFError) as error:
                self._save_if_worker_died(batches, error)
                raise
            yield batch

    def _warn_other_batches(self, episodes: int) -> None:
        """Tell of an earlier run with another number of episodes an iteration, over all processes."""
        hub, key = self._loop.runner.message_hub, 'episodes_per_iteration'
        before = hub.get_info(key, episodes) if self._loop.iter else episodes
        if before != episodes:
            print_log(
                f'The run took {before} episodes an iteration and goes on with {episodes} from iteration '
                f'{self._loop.iter}: some episodes come again, or not at all in this pass over the dataset',
                'current',
                logging.WARNING,
            )
        hub.update_info(key, episodes)

    def _save_if_worker_died(self, batches: Iterator[Any], error: Exception) -> None:
        # What a dead worker had ready may fail to be fetched before its death is noticed.
        died = any(not worker.is_alive() for worker in getattr(batches, '_workers', ()))
        said = str(error).startswith('DataLoader worker')
        if not died and not said:
            return
        runner = self._loop.runner
        saved = 'Go on from the last checkpoint with --resume'
        # Shards are saved by all processes, and the others know nothing; gradients are never saved.
        if is_main_process() and not is_sharded(runner.model) and runner.optim_wrapper.should_update():
            saved = save_now(runner, self._loop.iter)
        reason = error if said else f'DataLoader worker died ({type(error).__name__}: {error})'
        raise InputError(
            f'{reason}: it was killed, perhaps because memory ran out (then lower '
            f'train_dataloader.num_workers; 0 needs persistent_workers=False). {saved}'
        ) from error


def _iterate_quietly(loader: DataLoader) -> Iterator[Any]:
    """Batches; a worker's death is an error of ``next``.

    Torch's handler would raise it in the middle of whatever runs, an optimizer
    step for one. Torch installs it once a process, perhaps for an earlier loader.
    """
    before = signal.getsignal(signal.SIGCHLD)
    batches = iter(loader)
    if threading.current_thread() is threading.main_thread():
        torchs = getattr(before, '__module__', '') == signal_handling.__name__
        signal.signal(signal.SIGCHLD, signal.SIG_DFL if torchs else before)
    return batches
