"""Show what the policy answers, and what it gets for it."""

import logging
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from focus_mmdet.core.boxes import from_grid
from focus_mmdet.engine.loops.grpo import GRPOTrainLoop, ScoredAnswers
from focus_mmdet.errors import InputError, check_number


@HOOKS.register_module()
class AnswerSampleHook(Hook):
    """Every ``interval`` iterations, the answers to the batch's first prompt:
    with their rewards in the log, as boxes in the visualization backends.

    Args:
        interval: Iterations between two samples.
    """

    priority = 'LOW'

    def __init__(self, interval: int = 50) -> None:
        check_number('AnswerSampleHook.interval', interval, low=1, whole=True)
        self.interval = interval

    def before_train(self, runner: Runner) -> None:
        if not isinstance(runner.train_loop, GRPOTrainLoop):
            raise InputError('AnswerSampleHook shows sampled answers: it needs GRPOTrainLoop')

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if not self.every_n_train_iters(runner, self.interval) or not is_main_process():
            return
        loop = runner.train_loop
        scored, size = loop.last_rollout, loop.num_generations
        print_log('\n'.join(_lines(scored, size)), 'current', logging.INFO)
        images, sample = data_batch['inputs'][0], data_batch['data_samples'][0].clone()
        sample.pred_instances = answer_boxes(scored, size, sample.ori_shape)
        runner.visualizer.add_episode('train_answers', images, sample, step=runner.iter + 1)


def _lines(scored: ScoredAnswers, size: int) -> list[str]:
    answers = scored.answers
    target = ', '.join(f'{value:.0f}' for value in answers.targets[0].tolist())
    lines = [f'Answers to episode {answers.episodes[0]}, truth [{target}]:']
    for index in range(size):
        each = ' '.join(f'{name} {values[index]:.2f}' for name, values in scored.each.items())
        lines.append(f'  {scored.rewards[index]:.3f} ({each})  {answers.texts[index]!r}')
    return lines


def answer_boxes(scored: ScoredAnswers, size: int, shape: tuple[int, int]) -> InstanceData:
    """Boxes of the first prompt's answers, the best first, scored by reward.

    Args:
        scored: A rollout.
        size: Answers per prompt.
        shape: (height, width) of the original query image, whose pixels the
            boxes come in.
    """
    order = scored.rewards[:size].argsort(descending=True)
    order = order[scored.answers.parsed[order]]
    height, width = shape
    cells_x, cells_y = scored.cells[0].tolist()
    boxes = from_grid(scored.answers.boxes[order], (width, height), (cells_x, cells_y))
    return InstanceData(bboxes=boxes, scores=scored.rewards[order], labels=order.new_zeros(len(order)))
