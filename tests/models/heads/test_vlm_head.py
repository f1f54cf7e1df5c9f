"""What a head asks of the process and of its memory."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from focus_mmdet.core import vocabulary
from focus_mmdet.core.prefix import share_prefix
from tests.conftest import random_batch, relative_error

ROWS = 3


@pytest.mark.parametrize('options', [{'cudnn_attention': True}, {}], ids=['asked for', 'by default'])
def test_cudnn_attention_is_off_unless_asked_for(make_detector, options):
    torch.backends.cuda.enable_cudnn_sdp(not options)
    make_detector(**options)
    assert torch.backends.cuda.cudnn_sdp_enabled() is bool(options)


class LargestTable(TorchDispatchMode):
    """The most rows of a tensor (.., words), forward and backward; weights (words, width) aside."""

    def __init__(self, words, width):
        super().__init__()
        self.words, self.width, self.rows = words, width, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.dim() and tensor.shape[-1] == self.words:
                rows = tensor.numel() // self.words
                self.rows = max(self.rows, 0 if rows == self.width else rows)
        return result


@pytest.mark.parametrize('stage', [1, 2])
def test_no_table_of_all_answer_tokens_and_words(shared_detector, monkeypatch, stage):
    detector = shared_detector(freeze_vision=False)
    head, batch = detector.bbox_head, detector.data_preprocessor(random_batch(4, [1, 2]))['inputs']
    weights = head.vlm.model.get_output_embeddings().weight
    answers = [[torch.arange(20, 20 + count) for count in (5, 4)]] * 2

    def gradients(rows):
        monkeypatch.setattr(vocabulary, 'LOGITS', rows * len(weights))
        detector.zero_grad()
        with LargestTable(*weights.shape) as largest:
            if stage == 1:
                loss = head.loss(batch, detector.pad_id)['loss_lm']
            else:
                shared = share_prefix(batch.prompt_ids, answers, detector.pad_id)
                logps, _ = head.answer_logps(batch, shared, temperature=0.7)
                loss = (logps * shared.target_mask).sum()
            loss.backward()
        return largest.rows, loss, {name: p.grad for name, p in head.named_parameters() if p.grad is not None}

    rows, loss, found = gradients(ROWS)
    all_rows, expected_loss, expected = gradients(1000)
    assert rows <= ROWS < 3 * ROWS < all_rows
    torch.testing.assert_close(loss, expected_loss, rtol=1e-6, atol=1e-6)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert relative_error(found[name], gradient) < 1e-4, name
