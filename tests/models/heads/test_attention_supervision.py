"""The attention loss equals the one computed from eager T x T maps."""

from collections import defaultdict
from contextlib import contextmanager

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers.utils import is_flash_attn_2_available

from focus_mmdet.engine.hooks import AttentionSupervisionHook
from focus_mmdet.errors import InputError
from focus_mmdet.models.episode_batch import pad
from focus_mmdet.models.heads.attention_supervision import (
    AttentionSupervision,
    build_probe,
    select_heads,
    select_layers,
)
from focus_mmdet.models.vlm.attention_probe import MassProbe
from tests.conftest import FAMILIES, plain_inputs, random_batch, relative_error


@contextmanager
def eager(vlm):
    """Eager attention, through backward too: checkpointing recomputes there."""
    vlm.model.set_attn_implementation({'text_config': 'eager'})
    yield
    vlm.model.set_attn_implementation({'text_config': 'focus_sdpa'})


def supervised(batch, settings):
    """(sequence, start, stop, marks) of everything that is supervised."""
    for index in range(len(batch)):
        prompt, answer = len(batch.prompt_ids[index]), len(batch.answer_ids[index])
        if settings.rows == 'coordinate':
            for (start, stop), edge in zip(batch.coordinates[index], batch.edges[index], strict=True):
                yield index, prompt + start - 1, prompt + stop - 1, edge
            continue
        marks = batch.marks[settings.columns][index]
        if settings.rows == 'box_end':
            own = batch.regions[index] if settings.columns == 'box_region' else [marks] * 99
            for (start, stop), mine in zip(batch.box_ends[index], own, strict=False):
                yield index, start, stop, mine
        else:
            rows = {
                'query_image': batch.query_rows[index],
                'query_region': batch.query_rows[index],
                'query_outside': batch.query_rows[index],
                'answer': (prompt, prompt + answer),
                'answer_opening': (prompt - 1, prompt + batch.openings[index]),
            }
            yield index, *rows[settings.rows], marks


def eager_attention_loss(detector, batch, settings):
    """The paper's equations on the maps that eager attention returns."""
    vlm = detector.bbox_head.vlm
    sequences = [torch.cat(pair) for pair in zip(batch.prompt_ids, batch.answer_ids, strict=True)]
    ids, mask = pad(sequences, detector.pad_id, 'right')
    positions, _ = vlm.prompt_positions(ids, mask, batch.vision)
    maps = vlm.model(
        **plain_inputs(detector, batch, ids, mask), position_ids=positions, output_attentions=True
    ).attentions
    chosen = select_layers(settings.layers, vlm.layers)
    heads = slice(None) if settings.heads == 'all' else list(settings.heads)
    average = torch.stack([maps[i][:, heads] for i in sorted(chosen)]).mean((0, 2))  # (B, T, T)
    losses = defaultdict(list)
    for index, start, stop, marks in supervised(batch, settings):
        total = len(sequences[index])
        rows = average[index, start:stop, :total]
        if settings.rows.startswith('query'):
            image, region = (batch.marks[name][index] for name in ('query_image', 'query_region'))
            chosen_rows = {'query_image': image, 'query_region': region, 'query_outside': image & ~region}
            rows = rows[chosen_rows[settings.rows][start:stop]]
            if len(rows) == 0:  # An object that fills its image has no outside.
                continue
        m = torch.zeros(total)
        m[: len(marks)] = marks.float()
        inside = (rows * m).sum(-1) / m.sum()
        outside = (rows * (1 - m)).sum(-1) / (1 - m).sum()
        gap = {
            'per_token': inside - outside,
            'relative': m.sum() * (inside - outside),
            'mass': (rows * m).sum(-1),
            'log': (rows * m).sum(-1),
            'away': (rows * (1 - m)).sum(-1),
        }[settings.form]
        if settings.form in ('log', 'away'):
            loss = (torch.tensor(settings.margin).log() - (gap + 1e-6).log()).clamp(min=0).mean()
        else:
            loss = (settings.margin - gap).clamp(min=0).square().mean()
        losses[index].append(loss)
    # Every sequence weighs the same, whatever its number of supports.
    return settings.weight * torch.stack([torch.stack(each).mean() for each in losses.values()]).mean()


RANDOM_LORA = {'r': 4, 'init_lora_weights': False}
HEADS = {
    'full': {'freeze_vision': False},
    'full-checkpointing': {'freeze_vision': False, 'gradient_checkpointing': True},
    'lora-checkpointing': {'lora': RANDOM_LORA, 'gradient_checkpointing': True},
}
#: How weights train is the same for all families with a Llama-like language model.
CASES = [
    pytest.param(family, head, id=f'{family}-{name}')
    for family in FAMILIES
    for name, head in HEADS.items()
    if family in FAMILIES[:4] or name == 'full-checkpointing'
]


@pytest.mark.parametrize(('family', 'head'), CASES)
@settings(max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    shots=st.lists(st.integers(1, 8), min_size=1, max_size=3),
    more=st.fixed_dictionaries(
        {
            'layers': st.sampled_from(['all', 'first:2', 'last:1', (0, 2)]),
            'heads': st.sampled_from(['all', (1,), (0, 1)]),
            'form': st.sampled_from(['per_token', 'relative', 'mass', 'log', 'away']),
        }
    ),
    pair=st.one_of(
        st.tuples(
            st.sampled_from(
                ['query_image', 'query_region', 'query_outside', 'answer', 'answer_opening', 'box_end']
            ),
            st.sampled_from(['box_text', 'box_region', 'support_image', 'query_region']),
        ),
        st.just(('coordinate', 'query_edge')),
    ),
)
def test_loss_and_gradients_equal_eager_maps(shared_detector, family, head, seed, shots, more, pair):
    detector = shared_detector(family, **head)
    rows, columns = pair
    # What comes before its columns attends to none of them, which the logarithm cannot mend.
    assume(not ((rows == 'box_end' or rows.startswith('query')) and columns == 'query_region'))
    assume(pair != ('box_end', 'box_text'))
    settings = AttentionSupervision(margin=0.9, weight=2.0, rows=rows, columns=columns, **more)
    batch = detector.data_preprocessor(random_batch(seed, shots))['inputs']
    detector.bbox_head.attention_supervision = (settings,)
    loss = detector.bbox_head.loss(batch, detector.pad_id)['loss_attention']
    loss.backward()
    ours = {name: p.grad.clone() for name, p in detector.named_parameters() if p.grad is not None}

    detector.zero_grad()
    with eager(detector.bbox_head.vlm):
        expected = eager_attention_loss(detector, batch, settings)
        expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    reference = {name: p.grad for name, p in detector.named_parameters() if p.grad is not None}
    largest = max(float(grad.abs().max()) for grad in reference.values())
    for name, grad in reference.items():
        assert (ours[name] - grad).abs().max() <= 1e-5 * largest + 1e-4 * grad.abs().max(), name


def test_only_chosen_layers_are_measured(shared_detector):
    detector = shared_detector()
    head = detector.bbox_head
    head.attention_supervision = (AttentionSupervision(layers='first:2'),)
    batch = detector.data_preprocessor(random_batch(0, [1]))['inputs']
    (chosen,) = head.attention_supervision
    probe = build_probe(chosen, batch, len(batch.prompt_ids[0]), head.vlm.layers, head.vlm.heads)
    ids, mask = pad(batch.prompt_ids, 0, 'right')
    positions, _ = head.vlm.prompt_positions(ids, mask, batch.vision)
    head.vlm(ids, mask, positions, head.vlm.image_features(batch), probe=probe)
    assert sorted(probe.per_layer) == [0, 1]


def test_without_the_hook_only_the_loss_term_differs(shared_detector):
    detector = shared_detector().train()
    data = detector.data_preprocessor(random_batch(3, [1, 2]))
    plain = detector(**data, mode='loss')
    detector.bbox_head.attention_supervision = (AttentionSupervision(),)
    armed = detector(**data, mode='loss')
    assert set(plain) == {'loss_lm'}
    assert set(armed) == {'loss_lm', 'loss_attention', 'attention_mass'}
    assert relative_error(armed['loss_lm'], plain['loss_lm']) == 0


def test_several_losses_add_up_and_are_logged_apart(shared_detector):
    detector = shared_detector()
    batch = detector.data_preprocessor(random_batch(3, [1, 2]))['inputs']
    first = AttentionSupervision(name='first')
    second = AttentionSupervision(rows='box_end', columns='box_region', form='log', margin=0.9, name='second')
    apart = {}
    for each in (first, second):
        detector.bbox_head.attention_supervision = (each,)
        apart |= detector.bbox_head.loss(batch, detector.pad_id)
    detector.bbox_head.attention_supervision = (first, second)
    both = detector.bbox_head.loss(batch, detector.pad_id)
    assert set(both) == set(apart)
    assert len(both) == 5
    for name, value in both.items():
        torch.testing.assert_close(value, apart[name])


def test_episodes_without_what_is_supervised_add_nothing(make_detector):
    """Lone objects have no supports, and a query may lack the object."""
    detector = make_detector()
    data = random_batch(0, [0, 1])
    batch = detector.data_preprocessor(data)['inputs']
    losses = []
    for part in (batch.select(0, 1), batch.select(1, 2), batch):
        detector.bbox_head.attention_supervision = (AttentionSupervision(),)
        losses.append(detector.bbox_head.loss(part, detector.pad_id)['loss_attention'])
    assert losses[0] == 0
    torch.testing.assert_close(losses[1], losses[2])


@pytest.mark.parametrize('layers', ['first:0', 'first:9', 'middle:2', 'first', [], [3], [-1]])
def test_layers_that_do_not_exist_are_named(layers):
    with pytest.raises(InputError, match=r'layers=.*0\.\.2'):
        select_layers(layers, 3)


@pytest.mark.parametrize('heads', [[], [2], [-1], 'first'])
def test_heads_that_do_not_exist_are_named(heads):
    with pytest.raises(InputError, match=r'heads=.*0\.\.1'):
        select_heads(heads, 2)


@pytest.mark.parametrize('key', ['form', 'rows', 'columns'])
def test_unknown_choices_are_named(key):
    with pytest.raises(InputError, match=f'{key}=.*is not one of'):
        AttentionSupervision(**{key: 'nonsense'})


@pytest.mark.parametrize('form', ['log', 'away'])
@pytest.mark.parametrize('margin', [0, 1.5])
def test_a_margin_without_a_logarithm_or_beyond_reach_is_refused(form, margin):
    with pytest.raises(InputError, match=f"margin={margin}: form='{form}' takes a logarithm"):
        AttentionSupervision(form=form, margin=margin)


@pytest.mark.parametrize('columns', ['query_region', 'query_image'])
def test_what_comes_later_cannot_be_attended_to(columns):
    with pytest.raises(InputError, match=f"rows='box_end', columns='{columns}'.*comes after them"):
        AttentionSupervision(rows='box_end', columns=columns)


def test_a_loss_that_ends_before_its_weight_has_risen_is_refused():
    with pytest.raises(InputError, match=r'stop_iter=5.*warmup_iters=10'):
        AttentionSupervisionHook(warmup_iters=10, stop_iter=5)


def test_marks_that_select_nothing_are_an_error(shared_detector):
    detector = shared_detector()
    batch = detector.data_preprocessor(random_batch(0, [1]))['inputs']
    batch.marks['box_text'][0][:] = False
    detector.bbox_head.attention_supervision = (AttentionSupervision(),)
    with pytest.raises(InputError, match="columns='box_text' marks no token"):
        detector.bbox_head.loss(batch, detector.pad_id)


def test_a_margin_out_of_reach_is_said_once(shared_detector, monkeypatch):
    detector = shared_detector()
    said = []
    monkeypatch.setattr(
        'focus_mmdet.models.heads.attention_supervision.print_log', lambda text, *_: said.append(text)
    )
    detector.bbox_head._warned = False
    batch = detector.data_preprocessor(random_batch(0, [8]))['inputs']
    marked = int(batch.marks['box_text'][0].sum())
    for margin, messages in [(0.9 / marked, 0), (1.1 / marked, 1), (1.1 / marked, 1)]:
        detector.bbox_head.attention_supervision = (AttentionSupervision(margin=margin),)
        detector.bbox_head.loss(batch, detector.pad_id)
        assert len(said) == messages
    assert f'{1 / marked:.4f}' in said[0]


@pytest.mark.parametrize('backend', ['eager', 'flex_attention', 'flash_attention_2'])
def test_backends_that_cannot_be_used_are_named(make_detector, backend):
    if backend == 'flash_attention_2' and is_flash_attn_2_available():
        pytest.skip('flash-attn is installed')
    with pytest.raises(InputError, match=f"attn_implementation='{backend}'.*sdpa"):
        make_detector(attn_implementation=backend)


@pytest.mark.parametrize('family', FAMILIES)
def test_masses_are_the_same_with_padding_on_either_side(shared_detector, family):
    detector = shared_detector(family)
    vlm = detector.bbox_head.vlm
    batch = detector.data_preprocessor(random_batch(2, [1, 3]))['inputs']
    measured = {}
    for side in ('left', 'right'):
        ids, mask = pad(batch.prompt_ids, 0, side)
        first = [ids.shape[1] - len(prompt) if side == 'left' else 0 for prompt in batch.prompt_ids]
        columns = [
            torch.nn.functional.pad(marks, (skip, ids.shape[1] - skip - len(marks)))[:, None]
            for marks, skip in zip(batch.marks['box_text'], first, strict=True)
        ]
        spans = [
            [((start + skip, stop + skip), marks)]
            for (start, stop), skip, marks in zip(batch.query_rows, first, columns, strict=True)
        ]
        probe = MassProbe(first, spans=spans)
        positions, _ = vlm.prompt_positions(ids, mask, batch.vision)
        vlm(ids, mask, positions, vlm.image_features(batch), probe=probe)
        measured[side] = probe.mean_over_layers()
    assert len(batch.prompt_ids[0]) != len(batch.prompt_ids[1])
    for left, right in zip(measured['left'], measured['right'], strict=True):
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-7)


def test_the_loss_traces_without_breaking(shared_detector):
    """torch.compile's front end gets through a probed step, with the same loss."""
    detector = shared_detector(freeze_vision=False)
    head = detector.bbox_head
    head.attention_supervision = (AttentionSupervision(),)
    batch = detector.data_preprocessor(random_batch(4, [1]))['inputs']
    plain = head.loss(batch, detector.pad_id)
    forward = head.vlm.forward
    head.vlm.forward = torch.compile(forward, backend='eager')
    try:
        traced = head.loss(batch, detector.pad_id)
    finally:
        head.vlm.forward = forward
    for name, value in plain.items():
        torch.testing.assert_close(traced[name], value, rtol=1e-5, atol=1e-7)
