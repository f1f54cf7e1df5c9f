"""Mistakes that others made in GRPO for VLMs: each check fails when it is made."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.core.grpo import group_advantages
from focus_mmdet.core.prefix import share_prefix
from focus_mmdet.engine.loops.grpo import GRPOTrainLoop
from focus_mmdet.engine.rewards import Answers, build_rewards
from focus_mmdet.models.heads.rollout import GRPOObjective, Rollout
from focus_mmdet.models.vlm.generation import Sampling, sampling_noise
from tests.conftest import FAMILIES, random_batch

SIZES = [(32, 64), (64, 32)]  # as many patches, another grid


def prepare(detector, shots, seed=0, sizes=None):
    return detector.data_preprocessor(random_batch(seed, shots, sizes))['inputs']


def some_answers(groups, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randint(10, 300, (n,), generator=generator) for n in (5, 3)] for _ in range(groups)]


@pytest.fixture
def stage_1_policy(make_detector):
    """Adapters that an earlier stage has moved away from the base model."""
    torch.manual_seed(0)
    detector = make_detector(lora=dict(r=4, lora_alpha=8)).train()
    with torch.no_grad():
        for name, weight in detector.named_parameters():
            if 'lora_B' in name:
                weight.normal_(std=0.05)
    return detector


@pytest.mark.parametrize('mistake', [False, True])
def test_1_the_reference_is_the_stage_1_policy_not_the_base(stage_1_policy, mistake):
    head = stage_1_policy.bbox_head
    head.reference = head.snapshot()
    if mistake:  # what disable_adapter() gives
        head.reference = {
            name: torch.zeros_like(weight) if 'lora_B' in name else weight
            for name, weight in head.reference.items()
        }
    answers = some_answers(1)
    rollout = Rollout(answers, torch.zeros(2), GRPOObjective(beta=0.1), 2, 8, torch.tensor(8.0))
    kl = head.policy_loss(prepare(stage_1_policy, [1]), rollout, stage_1_policy.pad_id)['kl']
    assert (kl == 0) is not mistake


@pytest.mark.parametrize('mistake', [False, True])
@pytest.mark.parametrize('family', FAMILIES)
def test_2_images_of_different_sizes_stay_with_their_prompts(shared_detector, family, mistake):
    detector = shared_detector(family).eval()
    sizes = iter(SIZES + SIZES)
    frames = [random_batch(seed, [0], [next(sizes)]) for seed in range(4)]
    data = {
        'inputs': [frames[i]['inputs'][0] + frames[i + 1]['inputs'][0] for i in (0, 2)],
        'data_samples': [frames[i + 1]['data_samples'][0] for i in (0, 2)],
    }
    for index, sample in enumerate(data['data_samples']):
        sample.supports = [frames[2 * index]['data_samples'][0]]
    batch = detector.data_preprocessor(data)['inputs']
    answers = some_answers(2)

    def logps(part, group):
        shared = share_prefix(part.prompt_ids, group, detector.pad_id)
        return detector.bbox_head.answer_logps(part, shared, 1.0)[0].detach()

    pixels = [image['pixel_values'] for image in batch.vision][::-1]
    turned = [{**image, 'pixel_values': other} for image, other in zip(batch.vision, pixels, strict=True)]
    whole = replace(batch, vision=turned) if mistake else batch
    together = logps(whole, answers)
    alone = torch.cat(
        [logps(replace(batch, features=None).select(i, i + 1), answers[i : i + 1]) for i in range(2)]
    )
    assert torch.allclose(together, alone, rtol=1e-5, atol=1e-5) is not mistake


@pytest.mark.parametrize('mistake', [False, True])
def test_3_image_tokens_are_never_sampled(make_detector, monkeypatch, mistake):
    detector = make_detector().eval()
    speech = detector.data_preprocessor.encoder
    if mistake:
        monkeypatch.setattr(type(speech), 'forbidden_ids', [])
    bias = torch.full((512,), -20.0)
    bias[speech.family.image_token_id] = 20.0
    detector.bbox_head.vlm.model.get_output_embeddings().bias = torch.nn.Parameter(bias)
    answers = detector.bbox_head.generate(
        prepare(detector, [1]), speech, 4, num_generations=4, noise=sampling_noise(range(4), 4)
    )
    written = {int(token) for row in answers.ids for token in row}
    assert (speech.family.image_token_id in written) is mistake


@pytest.mark.parametrize('mistake', [None, 'grid by sample', 'other convention'])
@pytest.mark.parametrize('family', FAMILIES)
def test_4_and_7_the_true_answer_earns_the_whole_reward(shared_detector, family, mistake):
    """One grid an image, not a sample; and the family's own coordinates."""
    detector = shared_detector(family)
    speech = detector.data_preprocessor.encoder
    data = random_batch(4, [2, 1, 2], [(32, 64), (80, 48), (64, 160)])
    batch = detector.data_preprocessor(data)['inputs']
    texts = [speech.decode(ids) for ids in batch.answer_ids]
    # The dataset's boxes, scaled here to what the model should have written.
    cells = batch.cells
    if mistake == 'grid by sample':
        images = [image for episode in data['inputs'] for image in episode]
        cells = torch.tensor([image.cells for image in speech.see(images)[: len(batch)]])
    elif mistake == 'other convention':
        cells = torch.full_like(cells, 1000) if family == 'qwen2_5_vl' else cells // 4
    targets = torch.stack(
        [
            sample.gt_instances.bboxes[0] * (cell / torch.tensor(sample.img_shape[::-1])).repeat(2)
            for sample, cell in zip(data['data_samples'], cells, strict=True)
        ]
    )
    reward = Answers.read(texts, targets, [0, 1, 2]).iou
    # A grid taken by sample is harmless where coordinates are relative.
    harmless = mistake == 'grid by sample' and family != 'qwen2_5_vl'
    assert bool((reward > 0.85).all()) is (mistake is None or harmless)


@pytest.mark.parametrize('mistake', [False, True])
def test_5_gradient_checkpointing_leaves_the_rollouts_cache_on(vlm_folder, make_detector, mistake):
    answers = []
    for checkpointing in (False, True):
        detector = make_detector(gradient_checkpointing=checkpointing)
        detector.train(mistake and checkpointing)
        batch = prepare(detector, [1])
        noise = sampling_noise(range(4), 8)
        generated = detector.bbox_head.generate(
            batch, detector.data_preprocessor.encoder, 8, num_generations=4, noise=noise
        )
        answers.append([row.tolist() for row in generated.ids])
    assert (answers[0] == answers[1]) is not mistake


@pytest.mark.parametrize('mistake', [False, True])
def test_sampled_tokens_are_scored_at_the_sampling_temperature(make_detector, mistake):
    """Learning another distribution than the one that was sampled is off-policy."""
    detector = make_detector().eval()
    bias = torch.zeros(512)
    bias[detector.data_preprocessor.encoder.forbidden_ids] = -20.0
    detector.bbox_head.vlm.model.get_output_embeddings().bias = torch.nn.Parameter(bias)
    batch = prepare(detector, [1])
    generated = detector.bbox_head.generate(
        batch,
        detector.data_preprocessor.encoder,
        6,
        num_generations=2,
        sampling=Sampling(temperature=0.5),
        noise=sampling_noise([1, 2], 6),
    )
    shared = share_prefix(batch.prompt_ids, [generated.ids], detector.pad_id)
    logps, _ = detector.bbox_head.answer_logps(batch, shared, 1.0 if mistake else 0.5)
    drawn = torch.cat(generated.logps)
    assert torch.allclose(logps[shared.target_mask], drawn, atol=1e-4) is not mistake


@pytest.mark.parametrize('mistake', [False, True])
def test_advantages_are_compared_within_a_prompt(mistake):
    """An easy prompt must not teach at the cost of a hard one."""
    rewards = torch.tensor([0.9, 1.0, 0.0, 0.1])
    advantages = group_advantages(rewards, 4 if mistake else 2)
    assert (advantages.view(2, 2).sum(1).abs().max() < 1e-5).item() is not mistake


@pytest.mark.parametrize('family', ['qwen3_vl', 'qwen2_5_vl'])
def test_a_box_beyond_the_image_is_rewarded_as_it_is_predicted(shared_detector, monkeypatch, family):
    detector = shared_detector(family).eval()
    speech = detector.data_preprocessor.encoder
    loop = SimpleNamespace(
        num_generations=1, detector=detector, scale_rewards='none',
        rewards=build_rewards([dict(type='IoUReward'), dict(type='GIoUReward', name='giou')]),
    )  # fmt: skip
    data = random_batch(4, [1])
    prepared = detector.data_preprocessor(data, training=True)
    batch, samples = prepared['inputs'], prepared['data_samples']
    width, height = batch.cells[0].tolist()
    earned = []
    for box in ([0, 0, width, height], [0, 0, 3 * width, 9 * height], [width, 0, 2 * width, height]):
        monkeypatch.setattr(type(speech), 'decode', lambda *_, box=box: f'<answer>{box}</answer>')
        predicted = detector.test_step(data)[0].pred_instances.bboxes
        generated = SimpleNamespace(ids=[torch.zeros(3, dtype=torch.long)])
        scored = GRPOTrainLoop._reward(loop, [batch], generated, samples)
        overlap = paired_iou(predicted, samples[0].gt_instances.bboxes) if len(predicted) else torch.zeros(1)
        assert scored.each['iou'].tolist() == pytest.approx(overlap.tolist(), abs=1e-3)
        earned.append(scored.rewards.item())
    assert earned[0] == earned[1] > earned[2] == 0
