import sys

import mmcv
import pytest
import torch
from mmcv.ops import nms, roi_align

from focus_mmdet.mmcv_ops import _MissingOps, install_stand_in

stand_in = pytest.mark.skipif(
    not isinstance(sys.modules.get('mmcv._ext'), _MissingOps), reason='a compiled mmcv is installed'
)


@stand_in
def test_a_compiled_operator_says_what_is_missing():
    with pytest.raises(RuntimeError, match=r"'roi_align_forward' is compiled code.*installing"):
        roi_align(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5), (2, 2))


@stand_in
def test_nms_keeps_the_best_of_each_overlap():
    boxes = torch.tensor([[0, 0, 10, 10], [1, 1, 11, 11], [30, 30, 40, 40], [0, 0, 10, 9.5]])
    scores = torch.tensor([0.5, 0.9, 0.3, 0.2])
    _, kept = nms(boxes, scores, iou_threshold=0.5)
    assert kept.tolist() == [1, 2]


def test_it_stands_aside_where_an_extension_is_loaded():
    assert 'mmcv._ext' in sys.modules
    assert install_stand_in() is False
    assert mmcv.__version__
