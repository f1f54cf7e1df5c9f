auto_scale_lr = dict(base_batch_size=4, enable=False)
boxes = dict(type='LoadAnnotations', with_bbox=True)
budget = dict(max_pixels=4096, multiple=16, type='ResizeToPixelBudget')
custom_hooks = [
    dict(interval=50, type='AnswerSampleHook'),
]
custom_imports = dict(
    allow_failed_imports=False,
    imports=[
        'focus_mmdet',
    ],
)
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=2, max_keep_ckpts=2, type='CheckpointHook'),
    finite=dict(max_in_a_row=5, type='SkipNonFiniteHook'),
    logger=dict(interval=1, type='LoggerHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    stop=dict(type='GracefulStopHook'),
    timer=dict(type='IterTimerHook'),
    unreadable=dict(type='UnreadableImagesHook'),
    visualization=dict(type='EpisodeVisualizationHook'),
)
default_scope = 'mmdet'
env_cfg = dict(
    cudnn_benchmark=False,
    dist_cfg=dict(backend='nccl'),
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
)
inference_pipeline = [
    dict(
        transforms=[
            dict(type='LoadAnnotations', with_bbox=True),
            dict(max_pixels=4096, multiple=16, type='ResizeToPixelBudget'),
        ],
        type='ForEachFrame',
    ),
    dict(type='PackEpisodeInputs'),
]
launcher = 'none'
load_from = 'work_dirs/release/stage1/iter_4.pth'
log_level = 'INFO'
log_processor = dict(by_epoch=False, type='LogProcessor', window_size=20)
max_iters = 200
model = dict(
    bbox_head=dict(
        dtype='float32',
        freeze_vision=True,
        gradient_checkpointing=False,
        lora=dict(lora_alpha=4, r=2),
        max_new_tokens=40,
        type='VLMHead',
    ),
    data_preprocessor=dict(max_tokens=32768, type='EpisodeDataPreprocessor'),
    pretrained='checkpoints/focus-tiny-base',
    type='FocusDetector',
)
optim_wrapper = dict(
    clip_grad=dict(max_norm=1.0),
    constructor='TrainableOptimWrapperConstructor',
    optimizer=dict(lr=0.001, type='AdamW', weight_decay=0.0),
    type='OptimWrapper',
)
param_scheduler = [
    dict(begin=0, by_epoch=False, end=10, start_factor=0.001, type='LinearLR'),
    dict(begin=10, by_epoch=False, end=200, eta_min=0.0, type='CosineAnnealingLR'),
]
photos = 'data/realset/'
pipeline = [
    dict(
        transforms=[
            dict(type='LoadFrame'),
            dict(
                scale=(
                    1.5,
                    3.5,
                ),
                type='CropAroundBox',
            ),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(max_pixels=4096, multiple=16, type='ResizeToPixelBudget'),
        ],
        type='ForEachFrame',
    ),
    dict(type='PackEpisodeInputs'),
]
randomness = dict(seed=0)
resume = False
sprite_pipeline = [
    dict(type='RenderSpriteEpisode'),
    dict(
        transforms=[
            dict(type='LoadAnnotations', with_bbox=True),
            dict(max_pixels=4096, multiple=16, type='ResizeToPixelBudget'),
        ],
        type='ForEachFrame',
    ),
    dict(type='PackEpisodeInputs'),
]
sprites = 'data/sprites/'
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    batch_size=16,
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(
        ann_file='test.json',
        data_root='data/realset/',
        episodes=dict(per_track=1, shots=1, type='RandomEpisodes'),
        pipeline=[
            dict(
                transforms=[
                    dict(type='LoadFrame'),
                    dict(
                        scale=(
                            1.5,
                            3.5,
                        ),
                        type='CropAroundBox',
                    ),
                    dict(type='LoadAnnotations', with_bbox=True),
                    dict(max_pixels=4096, multiple=16, type='ResizeToPixelBudget'),
                ],
                type='ForEachFrame',
            ),
            dict(type='PackEpisodeInputs'),
        ],
        test_mode=True,
        type='EpisodeDataset',
    ),
    num_workers=0,
    sampler=dict(shuffle=False, type='DefaultSampler'),
)
test_evaluator = [
    dict(
        by=[
            'shots',
            'gap',
            'size',
            'look_alikes',
        ],
        matcher=True,
        type='InContextMetric',
    ),
    dict(metric='bbox', type='CocoMetric'),
]
train_cfg = dict(
    beta=0.04,
    epsilon=0.2,
    loss_type='grpo',
    max_completion_length=40,
    max_iters=4,
    num_generations=4,
    num_iterations=1,
    rewards=[
        dict(type='IoUReward'),
        dict(type='FormatReward', weight=0.5),
    ],
    temperature=1.0,
    type='GRPOTrainLoop',
    val_interval=4,
)
train_dataloader = dict(
    batch_size=2,
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(
        datasets=[
            dict(
                dataset=dict(
                    ann_file='train.json',
                    data_root='data/realset/',
                    episodes=dict(per_track=64, shots=1, type='RandomEpisodes'),
                    pipeline=[
                        dict(
                            transforms=[
                                dict(type='LoadFrame'),
                                dict(
                                    scale=(
                                        1.5,
                                        3.5,
                                    ),
                                    type='CropAroundBox',
                                ),
                                dict(type='LoadAnnotations', with_bbox=True),
                                dict(max_pixels=4096, multiple=16, type='ResizeToPixelBudget'),
                            ],
                            type='ForEachFrame',
                        ),
                        dict(type='PackEpisodeInputs'),
                    ],
                    type='EpisodeDataset',
                ),
                times=12,
                type='RepeatDataset',
            ),
            dict(
                data_root='data/sprites/train',
                length=50000,
                pipeline=[
                    dict(type='RenderSpriteEpisode'),
                    dict(
                        transforms=[
                            dict(type='LoadAnnotations', with_bbox=True),
                            dict(max_pixels=4096, multiple=16, type='ResizeToPixelBudget'),
                        ],
                        type='ForEachFrame',
                    ),
                    dict(type='PackEpisodeInputs'),
                ],
                size=(
                    64,
                    64,
                ),
                target='any',
                type='SpriteEpisodeDataset',
            ),
        ],
        type='ConcatDataset',
    ),
    num_workers=0,
    persistent_workers=False,
    sampler=dict(shuffle=True, type='InfiniteSampler'),
)
train_photos = dict(
    ann_file='train.json',
    data_root='data/realset/',
    episodes=dict(per_track=64, shots=1, type='RandomEpisodes'),
    pipeline=[
        dict(
            transforms=[
                dict(type='LoadFrame'),
                dict(
                    scale=(
                        1.5,
                        3.5,
                    ),
                    type='CropAroundBox',
                ),
                dict(type='LoadAnnotations', with_bbox=True),
                dict(max_pixels=4096, multiple=16, type='ResizeToPixelBudget'),
            ],
            type='ForEachFrame',
        ),
        dict(type='PackEpisodeInputs'),
    ],
    type='EpisodeDataset',
)
train_sprites = dict(
    data_root='data/sprites/train',
    length=50000,
    pipeline=[
        dict(type='RenderSpriteEpisode'),
        dict(
            transforms=[
                dict(type='LoadAnnotations', with_bbox=True),
                dict(max_pixels=4096, multiple=16, type='ResizeToPixelBudget'),
            ],
            type='ForEachFrame',
        ),
        dict(type='PackEpisodeInputs'),
    ],
    size=(
        64,
        64,
    ),
    target='any',
    type='SpriteEpisodeDataset',
)
val_cfg = dict(type='ValLoop')
val_dataloader = dict(
    batch_size=16,
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(
        ann_file='test.json',
        data_root='data/realset/',
        episodes=dict(per_track=1, shots=1, type='RandomEpisodes'),
        pipeline=[
            dict(
                transforms=[
                    dict(type='LoadFrame'),
                    dict(
                        scale=(
                            1.5,
                            3.5,
                        ),
                        type='CropAroundBox',
                    ),
                    dict(type='LoadAnnotations', with_bbox=True),
                    dict(max_pixels=4096, multiple=16, type='ResizeToPixelBudget'),
                ],
                type='ForEachFrame',
            ),
            dict(type='PackEpisodeInputs'),
        ],
        test_mode=True,
        type='EpisodeDataset',
    ),
    num_workers=0,
    sampler=dict(shuffle=False, type='DefaultSampler'),
)
val_evaluator = [
    dict(
        by=[
            'shots',
            'gap',
            'size',
            'look_alikes',
        ],
        matcher=True,
        type='InContextMetric',
    ),
    dict(metric='bbox', type='CocoMetric'),
]
vis_backends = [
    dict(type='LocalVisBackend'),
]
visualizer = dict(
    name='visualizer',
    type='EpisodeVisualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
    ],
)
work_dir = 'work_dirs/release/stage2'
