"""How many batches make up one step of the effective batch."""

from focus_mmdet.errors import InputError, check_number


def batches_per_step(
    effective_batch: int, batch_size: int, processes: int, accumulative_counts: int | None = None
) -> int:
    """Batches that each process adds up before a step.

    Args:
        effective_batch: Episodes of a step, over all processes.
        batch_size: ``train_dataloader.batch_size``, of one process.
        processes: How many there are.
        accumulative_counts: What the config says of ``optim_wrapper``.

    Raises:
        InputError: They cannot share the episodes evenly; the message names the batch sizes that would do.
    """
    key = f'train_cfg.effective_batch={effective_batch}'
    check_number('train_cfg.effective_batch', effective_batch, low=1, whole=True)
    check_number('train_dataloader.batch_size', batch_size, low=1, whole=True)
    if accumulative_counts not in (None, 1):
        raise InputError(
            f'{key}: accumulation follows from it; leave optim_wrapper.accumulative_counts='
            f'{accumulative_counts} out, or set train_cfg.effective_batch=None to count as MMEngine does'
        )
    at_once = batch_size * processes
    if effective_batch % at_once == 0:
        return effective_batch // at_once
    more = -(-effective_batch // at_once) * at_once
    share, rest = divmod(effective_batch, processes)
    other = (
        f'start {_either(_divisors(effective_batch))} processes'
        if rest
        else f'set train_dataloader.batch_size to {_either(_divisors(share))}'
    )
    raise InputError(
        f'{key} is no multiple of train_dataloader.batch_size={batch_size} x {processes} '
        f'process{"es" if processes > 1 else ""}: {other}, or train_cfg.effective_batch to a multiple of '
        f'{at_once}, such as {more}'
    )


def _divisors(number: int) -> list[int]:
    return [each for each in range(1, number + 1) if number % each == 0]


def _either(numbers: list[int]) -> str:
    *others, last = map(str, numbers)
    return f'{", ".join(others)} or {last}' if others else last
