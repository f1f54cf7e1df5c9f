"""Whatever a batch holds, it arrives as it was."""

import pickle

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn

from focus_mmdet.datasets.parcel import SMALL, Parcel


def test_tensors_arrive_as_they_were():
    image = torch.arange(SMALL).to(torch.uint8).view(4, -1)
    sent = {
        'large': [image, torch.randn(SMALL // 4 + 1)],
        'turned': image.T,
        'half': torch.randn(3).bfloat16(),
        'scalar': torch.tensor(3),
        'none': torch.zeros(0, 4),
        'marks': torch.tensor([True, False, True]),
        'trained': torch.ones(2, requires_grad=True),
        'subclass': nn.Parameter(torch.ones(3)),
    }
    found = pickle.loads(pickle.dumps(Parcel(sent)))
    torch.testing.assert_close(found, sent, rtol=0, atol=0)
    assert all(type(found[name]) is type(tensor) for name, tensor in sent.items())
    assert found['trained'].requires_grad


def test_a_tensor_sent_twice_is_one():
    tensor = torch.randn(4)
    first, second = pickle.loads(pickle.dumps(Parcel((tensor, tensor))))
    assert first is second


def test_who_keeps_a_box_keeps_no_images():
    sample = DetDataSample(gt_instances=InstanceData(bboxes=torch.rand(1, 4)), metainfo={'img_id': 7})
    images = [torch.zeros(3, 200, 200, dtype=torch.uint8) for _ in range(2)]
    data = pickle.loads(pickle.dumps(Parcel({'inputs': [images], 'data_samples': [sample]})))
    first, second = data['inputs'][0]
    boxes: Tensor = data['data_samples'][0].gt_instances.bboxes
    assert data['data_samples'][0].img_id == 7
    assert torch.equal(boxes, sample.gt_instances.bboxes)
    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
    assert boxes.untyped_storage().nbytes() == 16
