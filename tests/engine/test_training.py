"""Both stages through MMEngine's Runner, as tools/train.py runs them."""

from pathlib import Path
from zlib import crc32

import pytest
import torch
from mmdet.registry import HOOKS, TASK_UTILS
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from focus_mmdet.apis.export import load_detector
from focus_mmdet.core.grpo import LOSS_TYPES
from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from focus_mmdet.engine.hooks.answer_sample import answer_boxes
from focus_mmdet.engine.launch import check_inputs, check_numbers, check_saving, check_schedule
from focus_mmdet.engine.loops import grpo
from focus_mmdet.engine.loops.grpo import ScoredAnswers
from focus_mmdet.engine.rewards import Answers, Reward
from focus_mmdet.errors import InputError

# Adam would blow rounding up where gradients are nearly zero.
SGD = dict(_delete_=True, type='SGD', lr=0.1)
LORA = dict(_delete_=True, r=4, lora_alpha=8)


def trained_weights(folder: str, iteration: int) -> dict:
    return load_local_checkpoint(f'{folder}/iter_{iteration}.pth')['state_dict']


def assert_equal_weights(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), name


MUON = dict(_delete_=True, type='MuonWithAdamW', lr=1e-2)


@pytest.mark.parametrize('optimizer', [{}, MUON], ids=['adamw', 'muon'])
@pytest.mark.parametrize('head', [{'lora': LORA, 'freeze_vision': True}, {}])
def test_stage_1_resumes_to_the_same_weights(make_config, head, optimizer):
    options = {f'model.bbox_head.{key}': value for key, value in head.items()}
    options['optim_wrapper.optimizer'] = optimizer
    whole = make_config(1, 'whole', **options)
    Runner.from_cfg(whole).train()
    half = make_config(1, 'half', **options)
    half.train_cfg.max_iters = 2
    Runner.from_cfg(half).train()
    resumed = make_config(1, 'half', resume=True, **options)
    resumed.experiment_name += '-resumed'
    Runner.from_cfg(resumed).train()
    assert_equal_weights(trained_weights(whole.work_dir, 4), trained_weights(resumed.work_dir, 4))


def test_the_runner_leaves_loaded_weights_alone(make_config):
    config = make_config(1, 'init', **{'model.bbox_head.lora': LORA, 'train_cfg.max_iters': 0})
    runner = Runner.from_cfg(config)
    before = {name: weight.clone() for name, weight in runner.model.named_parameters()}
    model = runner.train()
    adapters = [weight for name, weight in model.named_parameters() if 'lora_B' in name]
    assert adapters
    assert all((weight == 0).all() for weight in adapters)
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


def log_scalars(runner: Runner) -> dict:
    return {name: buffer.data[0] for name, buffer in runner.message_hub.log_scalars.items()}


def test_the_hook_adds_the_loss_and_only_the_loss(make_config):
    with_hook = Runner.from_cfg(make_config(1, 'with'))
    with_hook.train()
    plain = Runner.from_cfg(make_config(1, 'without', custom_hooks=[]))
    plain.train()
    armed, bare = log_scalars(with_hook), log_scalars(plain)
    assert {'train/loss_attention', 'train/attention_mass'} == set(armed) - set(bare)
    assert armed['train/loss_lm'][0] == bare['train/loss_lm'][0]
    assert armed['train/loss_attention'][0] > 0


@pytest.fixture
def stage_1(make_config):
    def train(**options) -> str:
        config = make_config(1, 'stage1', **options)
        Runner.from_cfg(config).train()
        return f'{config.work_dir}/iter_4.pth'

    return train


@pytest.mark.parametrize('head', [{'lora': LORA}, {}])
@pytest.mark.parametrize('updates', [1, 2])
def test_stage_2_starts_at_kl_zero_from_stage_1_and_resumes(make_config, stage_1, head, updates):
    options = {f'model.bbox_head.{key}': value for key, value in head.items()}
    start = stage_1(**options, **{'optim_wrapper.optimizer.lr': 1e-2})
    options |= {'load_from': start, 'optim_wrapper.optimizer.lr': 1e-2, 'train_cfg.num_iterations': updates}
    whole = make_config(2, 'whole', **options)
    runner = Runner.from_cfg(whole)
    runner.train()
    kl = log_scalars(runner)['train/kl']
    if updates == 1:
        assert kl[0] == 0, 'the reference is the stage-1 policy, not the base model'
    reference = load_local_checkpoint(f'{whole.work_dir}/iter_4.pth')['reference_policy']
    for name, weight in load_local_checkpoint(start)['state_dict'].items():
        short = name.removeprefix('bbox_head.vlm.')
        assert short not in reference or torch.equal(reference[short], weight), name

    half = make_config(2, 'half', **options)
    half.train_cfg.max_iters = 2
    Runner.from_cfg(half).train()
    resumed = make_config(2, 'half', **options, resume=True)
    resumed.load_from = None
    resumed.experiment_name += '-resumed'
    Runner.from_cfg(resumed).train()
    assert_equal_weights(trained_weights(whole.work_dir, 4), trained_weights(resumed.work_dir, 4))


def test_rewards_are_logged_apart(make_config):
    runner = Runner.from_cfg(make_config(2, 'logs'))
    runner.train()
    logged = {name.removeprefix('train/') for name in log_scalars(runner)}
    assert {
        'loss_policy', 'loss_kl', 'kl', 'entropy', 'clip_ratio/region_mean', 'reward', 'reward_std',
        'frac_reward_zero_std', 'rewards/iou/mean', 'rewards/format/mean', 'completions/mean_length',
        'completions/clipped_ratio', 'seconds/rollout', 'seconds/reward', 'seconds/update',
        'tokens_per_second',
    } <= logged  # fmt: skip


class Randomly(Reward):
    """Any spread will do where gradients are compared."""

    name = 'randomly'

    def __call__(self, answers):
        return torch.tensor([crc32(text.encode()) % 1000 / 1000 for text in answers.texts])


@pytest.fixture
def random_reward(monkeypatch):
    monkeypatch.setitem(TASK_UTILS._module_dict, 'Randomly', Randomly)
    return {'train_cfg.rewards': [dict(type='Randomly')], 'optim_wrapper.optimizer': SGD}


@pytest.mark.parametrize(
    ('loss_type', 'more'),
    [
        (loss_type, more)
        for loss_type in LOSS_TYPES
        for more in ({}, {'num_iterations': 2}, {'accumulative_counts': 2})
        if loss_type != 'dapo' or 'accumulative_counts' not in more
    ],
)
def test_parts_of_a_batch_add_up_to_it(make_config, random_reward, loss_type, more):
    options = {
        **random_reward,
        'train_cfg.loss_type': loss_type,
        'train_cfg.beta': 0.1,
        'train_cfg.max_iters': 2,
        'train_dataloader.batch_size': 3,
        'train_cfg.num_iterations': more.get('num_iterations', 1),
        'optim_wrapper.accumulative_counts': more.get('accumulative_counts', 1),
    }
    weights, logs = [], []
    for name, limit in (('whole', None), ('parts', 600)):
        config = make_config(2, name, **options, **{'train_cfg.max_tokens_per_pass': limit})
        runner = Runner.from_cfg(config)
        before = {key: weight.clone() for key, weight in runner.model.state_dict().items()}
        runner.train()
        weights.append(trained_weights(config.work_dir, 2))
        logs.append(log_scalars(runner))
    moved = 0.0
    for name, weight in weights[0].items():
        moved = max(moved, float((weight - before[name]).abs().max()))
        torch.testing.assert_close(weight, weights[1][name], rtol=1e-4, atol=1e-6)
    assert moved > 1e-4
    for name in ('train/loss', 'train/loss_policy', 'train/kl', 'train/entropy'):
        assert logs[0][name] == pytest.approx(logs[1][name], rel=1e-3, abs=1e-6)


def test_later_updates_are_clipped_against_the_policy_that_sampled(make_config, random_reward):
    options = {'train_cfg.max_iters': 1, 'train_cfg.beta': 0.0, 'train_cfg.epsilon': 1e-4, **random_reward}
    options['param_scheduler'] = []
    regions = []
    for updates in (1, 3):
        config = make_config(2, f'{updates}-updates', **options, **{'train_cfg.num_iterations': updates})
        runner = Runner.from_cfg(config)
        runner.train()
        regions.append(log_scalars(runner)['train/clip_ratio/region_mean'][0])
    assert regions[0] == 0
    assert regions[1] > 0


def test_every_answer_of_every_step_has_its_own_seed(make_config, monkeypatch):
    runner = Runner.from_cfg(make_config(2, 'seeds'))
    loop = runner.build_train_loop(runner.cfg.train_cfg)
    loop.num_generations = 2
    seen = []
    for step in range(3):
        loop._iter = step
        alone = loop._seeds(range(4))
        assert loop._seeds(range(2)) + loop._seeds(range(2, 4)) == alone
        seen += alone
        # Two processes take turns: episodes 0 and 2, then 1 and 3.
        dealt = []
        for rank in range(2):
            with monkeypatch.context() as patch:
                patch.setattr(grpo, 'get_rank', lambda rank=rank: rank)
                patch.setattr(grpo, 'get_world_size', lambda: 2)
                dealt.append(loop._seeds(range(2)))
        pairs = [alone[start : start + 2] for start in range(0, 8, 2)]
        assert dealt == [pairs[0] + pairs[2], pairs[1] + pairs[3]]
    assert len(set(seen)) == len(seen)


def test_pictures_show_the_best_answer_first():
    answers = Answers.read(
        ['<answer>[0, 0, 500, 500]</answer>', 'no box', '<answer>[100, 200, 300, 400]</answer>'],
        torch.tensor([[100.0, 200.0, 300.0, 400.0]] * 3),
        [7] * 3,
    )
    scored = ScoredAnswers(
        answers, answers.iou, {'iou': answers.iou}, answers.iou, torch.tensor([[1000, 1000]])
    )
    shown = answer_boxes(scored, 3, (50, 200))
    assert shown.bboxes.tolist() == [[20, 10, 60, 20], [0, 0, 100, 25]]
    assert shown.scores.tolist() == pytest.approx([1.0, 0.16])


def test_a_sample_of_answers_goes_to_the_log_and_the_backends(make_config):
    config = make_config(2, 'answers', custom_hooks=[dict(type='AnswerSampleHook', interval=2)])
    config.log_level = 'INFO'
    Runner.from_cfg(config).train()
    (log,) = Path(config.work_dir).rglob('*.log')
    text = log.read_text()
    assert text.count('Answers to episode') == 2
    assert text.count('0.000 (iou 0.00 format 0.00)') == 2 * config.train_cfg.num_generations
    pictures = sorted(path.name for path in Path(config.work_dir).rglob('train_answers*.png'))
    assert pictures == ['train_answers_2.png', 'train_answers_4.png']


def test_sampled_answers_need_the_grpo_loop(make_config):
    config = make_config(1, 'wrong', custom_hooks=[dict(type='AnswerSampleHook')])
    with pytest.raises(InputError, match='GRPOTrainLoop'):
        Runner.from_cfg(config).train()


def test_groups_without_spread_still_take_a_step(make_config, monkeypatch):
    """Random weights write no box: every reward is 0, every advantage too."""
    config = make_config(
        2,
        'flat',
        **{'train_cfg.max_iters': 1, 'train_cfg.beta': 0.0, 'optim_wrapper.optimizer.lr': 0.1},
        param_scheduler=[],
    )
    runner = Runner.from_cfg(config)
    steps = []
    monkeypatch.setattr(
        OptimWrapper, 'step', lambda _: steps.append([p.grad for p in runner.model.parameters()])
    )
    runner.train()
    assert len(steps) == 1, 'the gradient is zero, but every rank waits for the step'
    assert log_scalars(runner)['train/frac_reward_zero_std'][0] == 1
    gradients = [gradient for gradient in steps[0] if gradient is not None]
    assert gradients
    assert all(bool((gradient == 0).all()) for gradient in gradients)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'train_cfg.num_generations': 1}, 'num_generations=1.*at least 2'),
        ({'train_cfg.num_generations': 2.5}, 'num_generations=2.5'),
        ({'train_cfg.num_iterations': 0}, 'num_iterations=0'),
        ({'train_cfg.max_completion_length': 0}, 'max_completion_length=0'),
        ({'train_cfg.temperature': 0.0}, 'temperature=0'),
        ({'train_cfg.beta': -1.0}, 'beta=-1'),
        ({'train_cfg.epsilon': -1.0}, 'epsilon=-1'),
        ({'train_cfg.rewards': [dict(type='IoUReward', weight='a')]}, 'weight of iou'),
        ({'train_cfg.rewards': []}, r'rewards=\[\]'),
        ({'train_cfg.rewards': [dict(type='IoUReward')] * 2}, 'another name'),
        ({'train_cfg.top_p': 0.0}, 'top_p=0'),
        ({'train_cfg.top_k': -1}, 'top_k=-1'),
        ({'train_cfg.max_tokens_per_pass': 0}, 'max_tokens_per_pass=0'),
        ({'train_cfg.rollout': dict(type='VLLMRollout')}, 'needs vLLM'),
        ({'train_cfg.rollout': 'SharedPrefillRollout'}, 'RolloutEngine'),
        ({'train_cfg.rollout': dict(type='IoUReward')}, 'RolloutEngine'),
        ({'train_cfg.rollout': dict(type='SharedPrefillRollout', foo=1)}, 'takes no arguments'),
        ({'train_cfg.val_interval': 0}, 'val_interval=0'),
        ({'train_cfg.beta': float('inf')}, 'beta=inf'),
        ({'model.bbox_head.dtype': 'float99'}, 'float99'),
        ({'train_cfg.loss_type': 'ppo'}, 'ppo'),
        ({'train_cfg.use_bias_correction_kl': 'no'}, "use_bias_correction_kl='no'"),
        ({'train_cfg.rewards': [dict(type='BeautyReward')]}, 'BeautyReward'),
    ],
)
def test_bad_grpo_options_are_named(make_config, options, message):
    with pytest.raises(InputError, match=message):
        Runner.from_cfg(make_config(2, 'bad', **options)).train()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'model.bbox_head.freeze_vision': False}, 'freeze_vision=True'),
        ({'train_cfg.num_iterations': 2, 'optim_wrapper.accumulative_counts': 2}, 'set one of them to 1'),
        ({'train_cfg.loss_type': 'dapo', 'optim_wrapper.accumulative_counts': 2}, 'effective_batch'),
        ({'model.bbox_head.lora': {**LORA, 'lora_dropout': 0.1}}, 'lora_dropout'),
        ({'custom_hooks': [dict(type='AttentionSupervisionHook')]}, 'is for stage 1'),
    ],
)
def test_what_stage_2_cannot_do_is_refused(make_config, options, message):
    with pytest.raises(InputError, match=message):
        Runner.from_cfg(make_config(2, 'cannot', **options)).train()


@pytest.mark.parametrize(
    'options',
    [
        {'train_cfg.max_iters': 'abc'},
        {'train_cfg.max_iters': 2.5},
        {'train_cfg.max_iters': -1},
        {'train_cfg.val_interval': 0},
        {'optim_wrapper.accumulative_counts': 0},
        {'train_dataloader.batch_size': 0},
        {'randomness.seed': 'abc'},
    ],
)
def test_counts_that_make_no_sense_are_named(make_config, options):
    with pytest.raises(InputError, match=next(iter(options))):
        check_numbers(make_config(2, 'count', **options))


@pytest.mark.parametrize(
    'options',
    [
        {'default_hooks.checkpoint.max_keep_ckpts': 1},
        {'default_hooks.checkpoint.interval': 3, 'optim_wrapper.accumulative_counts': 2},
    ],
)
def test_checkpoints_that_a_kill_makes_useless_are_named(make_config, options):
    with pytest.raises(InputError, match=next(iter(options))):
        check_saving(make_config(1, 'saving', **options))


def test_a_learning_rate_that_ends_before_training_is_refused(make_config):
    config = make_config(1, 'ends')
    check_schedule(config)
    config.train_cfg.max_iters = 5000
    with pytest.raises(InputError, match='ends at iteration 800'):
        check_schedule(config)


def test_a_warm_up_that_never_ends_is_refused(make_config):
    config = make_config(1, 'warm-up')
    config.param_scheduler[0].end = 1
    with pytest.raises(InputError, match='stays at its start_factor'):
        check_schedule(config)


def test_stage_2_does_not_resume_a_stage_1_checkpoint(make_config, stage_1):
    config = make_config(2, 'wrong', resume=True)
    config.load_from = stage_1()
    with pytest.raises(InputError, match='set load_from'):
        Runner.from_cfg(config).train()


@pytest.mark.parametrize('options', [{'margin': -1}, {'margin': 'abc'}, {'weight': -1.0}, {'stop_iter': -1}])
def test_hook_values_that_make_no_sense_are_named(options):
    with pytest.raises(InputError, match=next(iter(options))):
        HOOKS.build(dict(type='AttentionSupervisionHook', **options))


def test_the_weight_rises_and_the_loss_stops(make_config):
    hook = dict(type='AttentionSupervisionHook', weight=1.0, warmup_iters=1, stop_iter=3)
    runner = Runner.from_cfg(make_config(1, 'schedule', custom_hooks=[hook]))
    seen = []

    class Watch(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            seen.append([armed.weight for armed in runner.model.bbox_head.attention_supervision])

    runner.register_hook(Watch(), priority='LOWEST')
    runner.train()
    assert seen == [[0.5], [1.0], [1.0], []]


def test_a_layer_that_does_not_exist_stops_before_training(make_config):
    hooks = [dict(type='AttentionSupervisionHook', layers='first:9')]
    config = make_config(1, 'layers', custom_hooks=hooks)
    with pytest.raises(InputError, match='first:9'):
        Runner.from_cfg(config).train()
    assert not list(Path(config.work_dir).glob('*.pth'))


class Spy:
    """Pickles to a call, as an attacker's checkpoint would."""

    def __reduce__(self):
        return print, ('code from a checkpoint ran',)


def test_checkpoints_cannot_run_code(tmp_path, capsys):
    path = tmp_path / 'evil.pth'
    torch.save({'state_dict': {}, 'meta': Spy()}, path)
    with pytest.raises(InputError, match=r'evil\.pth.*asks for') as error:
        load_local_checkpoint(str(path))
    assert 'weights_only' not in str(error.value)
    assert 'ran' not in capsys.readouterr().out


def test_a_resumed_checkpoint_cannot_run_code(make_config, stage_1, tmp_path, capsys):
    """Runner.resume executes what MMEngine's checkpoints of old hold as text."""
    checkpoint = load_local_checkpoint(stage_1())
    checkpoint['meta']['config'] = "print('code from a checkpoint ran')"
    path = tmp_path / 'evil.pth'
    torch.save(checkpoint, path)
    config = make_config(1, 'evil', resume=True)
    config.load_from = str(path)
    Runner.from_cfg(config).train()
    assert 'ran' not in capsys.readouterr().out


def test_a_checkpoint_from_the_network_is_refused(make_config):
    """MMEngine would load it with code and all."""
    address = 'https://example.org/iter_4.pth'
    with pytest.raises(InputError, match='download it first'):
        check_inputs(make_config(1, 'remote', load_from=address), [])
    with pytest.raises(InputError, match='download it first'):
        load_detector(make_config(1, 'remote'), address)


@pytest.mark.parametrize('content', [b'', b'hello', b'not a checkpoint', None])
def test_unreadable_checkpoints_are_named(tmp_path, content):
    path = tmp_path / 'broken.pth'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r'broken\.pth'):
        load_local_checkpoint(str(path))


@pytest.mark.parametrize('head', [{'lora': LORA, 'freeze_vision': True}, {}])
def test_muon_takes_the_matrices_and_adamw_the_rest(make_config, head):
    options = {f'model.bbox_head.{key}': value for key, value in head.items()}
    runner = Runner.from_cfg(make_config(1, 'muon', **options, **{'optim_wrapper.optimizer': MUON}))
    groups = runner.build_optim_wrapper(runner.optim_wrapper).optimizer.param_groups
    by_muon = set(groups[0]['param_names'])
    trained = {name: weight for name, weight in runner.model.named_parameters() if weight.requires_grad}
    assert set().union(*(group['param_names'] for group in groups)) == set(trained)
    assert all(trained[name].ndim == 2 for name in by_muon)
    assert not any('embed' in name for name in by_muon)
