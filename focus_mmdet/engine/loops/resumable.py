"""Go on where a run stopped, without loading again what it was trained on."""

import logging
import signal
import threading
from collections.abc import Iterator
from itertools import islice
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
from focus_mmdet.engine.loops.same_schedule import SameScheduleHook
from focus_mmdet.engine.mean_over_ranks import mean_over_ranks
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.sharding import is_sharded


@LOOPS.register_module()
class ResumableTrainLoop(IterBasedTrainLoop):
    """MMEngine's loop over iterations, where resuming costs and changes nothing.

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
    - What is logged is the mean over all processes.

    Args:
        runner: The runner.
        dataloader: Config of the training dataloader.
        *args: As of ``IterBasedTrainLoop``.
        **kwargs: As of ``IterBasedTrainLoop``.
    """

    def __init__(self, runner: Runner, dataloader: Any, *args: Any, **kwargs: Any) -> None:
        different = runner._randomness_cfg.get('diff_rank_seed', False)
        loader = runner.build_dataloader(dataloader, runner.seed, different)
        start_workers_alone(loader)
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
        return super().run()

    def run_iter(self, data_batch: Any) -> None:
        place: dict[str, Any] = dict(batch_idx=self._iter, data_batch=data_batch)
        self.runner.call_hook('before_train_iter', **place)
        outputs = self.runner.model.train_step(data_batch, optim_wrapper=self.runner.optim_wrapper)
        self.runner.call_hook('after_train_iter', **place, outputs=mean_over_ranks(outputs))
        self._iter += 1

    def seed_iteration(self) -> None:
        """Set the random state that this iteration has in any run."""
        state = np.random.SeedSequence([self.runner.seed, self._iter, get_rank()])
        set_random_seed(int(state.generate_state(1)[0]))


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
                self._warn_other_batches(get_world_size() * sampler.batch_size)
            # Kept: this generator's end would be the end of the sampler's, which goes on from here.
            self._passed = iter(sampler)
            for _ in islice(self._passed, self._loop.iter):
                yield None
        batches = _iterate_quietly(self._loader)
        while True:
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
