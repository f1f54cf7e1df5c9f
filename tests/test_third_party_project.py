"""An MMDetection project outside this repository adds focus_mmdet by custom_imports."""

import subprocess
import sys

from tests.conftest import ROOT

CONFIG = """
custom_imports = dict(imports=['focus_mmdet'], allow_failed_imports=False)
default_scope = 'mmdet'
data = {root!r}
model = dict(
    type='FCOS',
    data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
    backbone=dict(type='ResNet', depth=18, base_channels=4, num_stages=4, out_indices=(0, 1, 2, 3)),
    neck=dict(type='FPN', in_channels=[4, 8, 16, 32], out_channels=8, num_outs=5, start_level=1,
              add_extra_convs='on_output', relu_before_extra_convs=True),
    bbox_head=dict(type='FCOSHead', num_classes=1, in_channels=8, feat_channels=8, stacked_convs=1,
                   norm_cfg=dict(type='BN'),
                   strides=[8, 16, 32, 64, 128]),
    test_cfg=dict(nms_pre=50, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=3),
)
stock = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64)),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor',
                                          'instances')),
]
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='InfiniteSampler'),
    dataset=dict(type='ConcatDataset', datasets=[
        dict(type='CocoDataset', data_root=data, ann_file='train.json',
             data_prefix=dict(img=''), metainfo=dict(classes=('object',)), pipeline=stock),
        dict(type='EpisodeDataset', data_root=data, ann_file='train.json',
             episodes=dict(type='UniformSpanEpisodes', shots=1), pipeline=stock),
    ]),
)
val_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='EpisodeDataset', data_root=data, ann_file='test.json', test_mode=True,
                 episodes=dict(type='UniformSpanEpisodes', shots=1), pipeline=stock),
)
val_evaluator = [dict(type='InContextMetric'), dict(type='CocoMetric', metric='bbox')]
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
val_cfg = dict(type='ValLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
"""
SCRIPT = """
from mmengine.config import Config
from mmengine.runner import Runner

config = Config.fromfile('config.py')
config.work_dir = 'work'
Runner.from_cfg(config).train()
"""


def test_our_dataset_and_metric_beside_stock_ones(tmp_path):
    (tmp_path / 'config.py').write_text(CONFIG.format(root=str(ROOT / 'data/realset')))
    (tmp_path / 'main.py').write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, 'main.py'], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-3000:]
    assert 'loss_bbox' in log
    assert 'in_context/mIoU' in log
    assert 'coco/bbox_mAP' in log
