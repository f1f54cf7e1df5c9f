"""The ablation on photographs, with pretrained eyes.

``tools/quickstart.sh`` makes the pictures. ``photographed``: collages in which held-out objects that were
photographed stand among others and look-alikes; ``pasted``: the same of held-out drawings; ``crops``: an
object alone. Every arm starts from a model that has practised reading boxes (``build_small_vlm.py``): it
looks for what a box holds, and has never seen an object in two pictures or written an answer.
"""

_base_ = ['photographs_grpo.py', '../_base_/table3_arms.py']

stage1 = 'configs/ablations/photographs_stage1.py'
paper = dict(type='AttentionSupervisionHook', margin=0.025, weight=0.25, layers='all')
#: Trainings by name: a config, or that and what differs.
steps = dict(
    sft=(stage1, {'custom_hooks': []}),
    paper=(stage1, {'custom_hooks': [paper]}),
    steps=stage1,
    grpo='configs/ablations/photographs_grpo.py',
)
columns = [
    ('photographed: mIoU', 'photographed', 'mIoU'),
    ('answers drawn: mIoU', 'drawn', 'mIoU'),
    ('right object', 'photographed', 'choice'),
    ('some object', 'photographed', 'any_object@0.5'),
    ('supports shuffled: mIoU', 'shuffled', 'mIoU'),
    ('supports removed: mIoU', 'removed', 'mIoU'),
    ('pasted: mIoU', 'pasted', 'mIoU'),
    ('right object', 'pasted', 'choice'),
    ('box moved: follows', 'pasted', 'follows'),
    ('crops: mIoU', 'crops', 'mIoU'),
]

photographed = dict(_base_.held_out_collages, data_root=_base_.pictures + 'test/')
pasted = dict(
    photographed, ann_file='pasted.json', episodes=dict(type='RandomEpisodes', shots=1, per_track=2)
)
test_sets = dict(
    photographed=photographed,
    drawn=dict(type='RepeatDataset', times=2, dataset=photographed),
    shuffled=dict(type='ShuffledSupports', dataset=photographed),
    removed=dict(photographed, pipeline=[dict(type='RemoveSupports'), *_base_.pipeline]),
    pasted=pasted,
    crops=_base_.test_dataloader.dataset.datasets[1],
)
#: Of model.bbox_head, by test set; 0 for the rest.
temperatures = dict(drawn=1.0)
test_evaluator = dict(_delete_=True, type='InContextMetric', matcher=True)
