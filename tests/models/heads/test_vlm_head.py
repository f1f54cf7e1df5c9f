"""What a head asks of the process and of its memory."""

import pytest
import torch


@pytest.mark.parametrize('options', [{'cudnn_attention': True}, {}], ids=['asked for', 'by default'])
def test_cudnn_attention_is_off_unless_asked_for(make_detector, options):
    torch.backends.cuda.enable_cudnn_sdp(not options)
    make_detector(**options)
    assert torch.backends.cuda.cudnn_sdp_enabled() is bool(options)
