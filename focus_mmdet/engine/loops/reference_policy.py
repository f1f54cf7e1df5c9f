"""Keep the policy that stage 2 began with."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from focus_mmdet.engine.unwrap import detector_of
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.sharding import on_main, spread_like

_KEY = 'reference_policy'


@HOOKS.register_module()
class ReferencePolicyHook(Hook):
    """Keep the stage-1 policy in stage-2 checkpoints.

    A resumed run must measure its KL against the policy that stage 2 began
    with, which the trained weights no longer tell. The loop registers it.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        reference = detector_of(runner.model).bbox_head.reference or {}
        checkpoint[_KEY] = {name: on_main(weight).cpu() for name, weight in reference.items()}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if not runner._resume:
            return
        if _KEY not in checkpoint:
            raise InputError(
                'the checkpoint to resume is not of stage 2 (GRPOTrainLoop). To start stage 2 from stage 1, '
                'set load_from to its checkpoint and leave --resume out'
            )
        if checkpoint[_KEY]:
            head = detector_of(runner.model).bbox_head
            own = dict(head.vlm.named_parameters())
            head.reference = {
                name: spread_like(weight, own[name]).to(head.vlm.device)
                for name, weight in checkpoint[_KEY].items()
            }
