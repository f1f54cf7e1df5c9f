"""What is measured, and what is read of it: each benchmark, what it takes where, and its figures."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One row of the page: a number in a benchmark's last line.

    Attributes:
        what: In words.
        path: Of the number, keys and indices of the last line between slashes.
        unit: Of the number.
        over: Path of what it is compared with; empty for nothing.
        against: That in words.
        at_most: Limit of the ratio to it, or of the number itself where there is none.
        at_least: Likewise.
    """

    what: str
    path: str
    unit: str = 's'
    over: str = ''
    against: str = ''
    at_most: float | None = None
    at_least: float | None = None

    @property
    def name(self) -> str:
        """Of the row, in its step."""
        return f'{self.what}, against {self.against}' if self.over else self.what

    @property
    def limit(self) -> str:
        """In words; empty without."""
        if self.at_most is not None:
            return f'at most {self.at_most:g}'
        return '' if self.at_least is None else f'at least {self.at_least:g}'

    def read(self, line: dict[str, Any]) -> dict[str, Any] | None:
        """What is kept of a last line; None where it lacks the number, or what that is compared with."""
        try:
            figure = _lookup(line, self.path)
            reference = _lookup(line, self.over) if self.over else 1.0
            ratio = figure / reference
        except (KeyError, IndexError, ZeroDivisionError):
            return None
        found: dict[str, Any] = {'name': self.name, 'figure': figure, 'unit': self.unit}
        if self.over:
            found |= {'against': self.against, 'reference': reference, 'ratio': ratio}
        return {**found, 'limit': self.limit} if self.limit else found

    def is_met(self, found: dict[str, Any]) -> bool:
        """Does what was read keep the limit?"""
        judged = found.get('ratio', found['figure'])
        low = self.at_least is None or judged >= self.at_least
        return low and (self.at_most is None or judged <= self.at_most)


def _lookup(line: Any, path: str) -> float:
    for key in path.split('/'):
        line = line[int(key)] if isinstance(line, list) else line[key]
    return float(line)


@dataclass(frozen=True)
class Step:
    """A benchmark and its arguments.

    Attributes:
        name: By which it is asked for.
        title: Of its rows.
        script: Its file in this folder.
        figures: What is read of its last line.
        gpu: Arguments on a GPU; None does not run there.
        seconds: It is killed after on a GPU.
        rehearsal: Arguments of the rehearsal, where every step for a GPU runs small.
        cpu: Arguments for a CPU's own figures; None has none.
    """

    name: str
    title: str
    script: str
    figures: tuple[Figure, ...]
    gpu: str | None = ''
    seconds: int = 60
    rehearsal: str = ''
    cpu: str | None = None

    def command(self, arguments: str) -> str:
        return f'python benchmarks/{self.script} {arguments}'.strip()


def _errors(what: str, kernel: str) -> tuple[Figure, ...]:
    limits = {'float32': 1e-4, 'bfloat16': 3e-2}
    return tuple(
        Figure(f'{what}, {dtype}', f'{kernel}/{dtype}', '', at_most=limit) for dtype, limit in limits.items()
    )


def _step_of_stage_1(what: str, row: int) -> tuple[Figure, ...]:
    place, plain = f'lengths/{row}', 'plain fine-tuning'
    return (
        Figure(f'{what}: time', f'{place}/ours/seconds', 's', f'{place}/plain/seconds', plain, at_most=1.05),
        Figure(f'{what}: memory', f'{place}/ours/gb', 'GB', f'{place}/plain/gb', plain, at_most=1.02),
        Figure(f'{what}, eager maps: time', f'{place}/eager/seconds', 's', f'{place}/plain/seconds', plain),
        Figure(f'{what}, eager maps: memory', f'{place}/eager/gb', 'GB', f'{place}/plain/gb', plain),
    )


def _step_of_stage_2(against: str, variant: str, limit: float | None = None) -> tuple[Figure, ...]:
    return (
        Figure('time', 'ours/seconds', 's', f'{variant}/seconds', against, at_most=limit),
        Figure('memory', 'ours/gb', 'GB', f'{variant}/gb', against),
    )


def _patches(name: str) -> Figure:
    return Figure(name, f'{name}/product', 'ms', f'{name}/convolution', 'the convolution')


def _mode(what: str, mode: str) -> tuple[Figure, ...]:
    return tuple(
        Figure(f'{what}, stage {stage}', f'{mode}/stage{stage}_resumed', '', at_most=0.1) for stage in (1, 2)
    )


def _starts(what: str, kind: str) -> tuple[Figure, ...]:
    return (
        Figure(f'{what}: first start', f'{kind}_first_cpu', '', at_most=3),
        Figure(f'{what}: later starts', f'{kind}_later_cpu', '', at_most=0.3),
        Figure(f'{what}: memory kept', f'{kind}_bytes_an_episode', 'bytes an episode', at_most=1024),
    )


#: In the order of what would hurt most if it were wrong.
STEPS = (
    Step(
        'kernels',
        'Results and gradients of the kernels: error relative to float64',
        'kernel_errors.py',
        (
            *_errors('attention mass (stage 1)', 'mass'),
            *_errors('attention over a shared prompt (stage 2)', 'prefix'),
            *_errors('log-probabilities, a few tokens at a time', 'logps'),
        ),
        gpu='--model 7b',
        seconds=40,
        cpu='',
    ),
    Step(
        'attention',
        'A step of stage 1, 4 shots',
        'attention_supervision.py',
        (
            *_step_of_stage_1('short prompt', 0),
            *_step_of_stage_1('long prompt', 1),
            Figure(
                "long prompt: weights and all (the paper's figure: 64.1 GB)", 'whole_gb', 'GB', at_most=64.1
            ),
        ),
        gpu='--model 7b --tokens 2000 15000 --repeats 3',
        seconds=80,
        rehearsal='--tokens 320 400 --repeats 1',
        cpu='--tokens 600 2000',
    ),
    Step(
        'attention_varying',
        'The same, another length in each step',
        'attention_supervision.py',
        _step_of_stage_1('varying', 0),
        gpu='--model 7b --varying --tokens 2000 --repeats 5',
        seconds=40,
        rehearsal='--varying --tokens 320 --repeats 1',
        cpu='--varying --tokens 600',
    ),
    Step(
        'grpo',
        'A step of stage 2, 4 shots, 8 answers',
        'grpo_step.py',
        (
            *_step_of_stage_2("TRL's trainer", 'trl', 0.2),
            *_step_of_stage_2('nothing shared', 'unshared'),
            *_step_of_stage_2('prefix-grouper', 'prefix_grouper'),
        ),
        gpu='--model 7b --num-generations 8 --steps 3',
        seconds=120,
        rehearsal='--num-generations 2 --steps 1',
        cpu='--num-generations 8',
    ),
    Step(
        'rollout',
        'A rollout, 8 answers to one prompt',
        'rollout.py',
        (
            Figure('answer tokens a second', 'tokens_per_second', ''),
            Figure('model FLOPs utilization of the prefill', 'mfu', ''),
            Figure('prefill', 'prefill', 's', 'prefill_bound', '40 % utilization'),
            Figure('a decoding step', 'decoding_step', 's', 'decoding_step_bound', 'memory bandwidth'),
        ),
        gpu='--model 7b',
        seconds=40,
        rehearsal='--repeats 1 --num-generations 2',
        cpu='',
    ),
    Step(
        'stages',
        'Both stages on the tiny model, resumed: distance from the uninterrupted run, over the way moved',
        'stages.py',
        (
            *_mode('float32', 'float32'),
            *_mode('AMP', 'amp'),
            *_mode('bfloat16, LoRA, checkpointing', 'bfloat16_checkpointing'),
            *_mode('FSDP2', 'sharded'),
            *_mode('FSDP2, bfloat16, LoRA, checkpointing', 'sharded_bfloat16_checkpointing'),
        ),
        seconds=60,
        rehearsal='--modes sharded_bfloat16_checkpointing',
    ),
    Step(
        'memory',
        "A training step's memory, as estimated",
        'memory_estimate.py',
        tuple(
            Figure(
                f'stage {stage}',
                f'stage{stage}/estimated_gb',
                'GB',
                f'stage{stage}/gb',
                'what was measured',
                at_most=1.35,
            )
            for stage in (1, 2)
        ),
        gpu='--model 7b',
        seconds=75,
        rehearsal='--pixels 4000',
        cpu='',
    ),
    Step(
        'patches',
        'Patch embedding as a matrix product',
        'patch_embedding.py',
        (
            _patches('Qwen2-VL-7B-Instruct'),
            _patches('Qwen2.5-VL-7B-Instruct'),
            _patches('Qwen3-VL-8B-Instruct'),
        ),
        gpu='--repeats 10',
        seconds=25,
        rehearsal='--repeats 1',
        cpu='--repeats 3',
    ),
    Step(
        'loader',
        'Data workers beside the step, episodes of 4 shots from 1280 x 720 JPEGs',
        'dataloader.py',
        (
            Figure(
                'episodes a second',
                'episodes_per_second',
                '',
                'step_episodes_per_second',
                'the step that they feed',
                at_least=1,
            ),
            Figure('an episode in one process', 'seconds', 's', 'plain_seconds', 'PIL and a plain processor'),
        ),
        gpu='--model 7b --workers 8 --episodes 16',
        seconds=50,
        rehearsal='--episodes 2 --pixels 20000 --repeats 1',
        cpu='--repeats 2',
    ),
    Step(
        'tiny',
        'Stage 1 of the tiny model (0.5333 on the CPU), test mIoU',
        'tiny_training.py',
        (Figure('after 800 iterations', 'mIoU', '', at_least=0.5),),
        seconds=90,
        rehearsal='--iterations 2 --episodes 8',
    ),
    Step(
        'find',
        'A query at 4 remembered supports',
        'find.py',
        (
            Figure('over the query alone', 'cached_over_query_alone', '', at_most=1.25),
            Figure('faster than reading the supports again', 'speedup_over_reencoding', '', at_least=3),
            Figure('faster in batches of 16', 'queries_per_second_batched_over_single', '', at_least=1.5),
            Figure('queries a second in batches', 'queries_per_second_batched', ''),
            Figure('memory of a reference', 'reference_bytes_per_token', 'bytes a token'),
        ),
        gpu='--model 7b --side 532 --repeat 3 --photos 0',
        seconds=90,
        rehearsal='--side 64 --queries 2 --repeat 1 --photos 0',
        cpu='--photos 0',
    ),
    Step(
        'batching',
        'Equal shots together in a batch of 8',
        'batching.py',
        (
            Figure('padding', 'padding_grouped', 'of a batch', 'padding_random', 'drawn at random'),
            Figure(
                'tokens a second',
                'tokens_per_second_grouped',
                '',
                'tokens_per_second_random',
                'drawn at random',
            ),
        ),
        gpu=None,
        cpu='',
    ),
    Step(
        'startup',
        'Start of a dataset: processor time over that of json.load alone',
        'startup.py',
        (
            *_starts('videos of 10^5 annotations', 'video_100000'),
            *_starts('videos of 10^6 annotations', 'video_1000000'),
            *_starts('crops of 10^5 annotations', 'crops_100000'),
            *_starts('crops of 10^6 annotations', 'crops_1000000'),
        ),
        gpu=None,
        cpu='--repeat 1',
    ),
)
