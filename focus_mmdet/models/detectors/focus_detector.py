"""The detector: preprocessor, head and what belongs into a checkpoint."""

from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from torch import Tensor
from torch.distributed.tensor import DTensor

from focus_mmdet.errors import InputError
from focus_mmdet.models.data_preprocessors.data_preprocessor import EpisodeDataPreprocessor
from focus_mmdet.models.episode_batch import EpisodeBatch, require_ground_truth
from focus_mmdet.models.heads.rollout import Rollout
from focus_mmdet.models.heads.vlm_head import VLMHead
from focus_mmdet.models.vlm.model_folder import model_folder
from focus_mmdet.models.vlm.sharding import on_main, spread_like


@MODELS.register_module()
class FocusDetector(BaseDetector):
    """In-context object localization with a VLM.

    Checkpoints hold only weights that differ from the pretrained folder:
    those that train here, and those an earlier stage trained.

    Args:
        pretrained: VLM folder, for the head and the preprocessor alike.
        bbox_head: Config of :class:`VLMHead`.
        data_preprocessor: Config of :class:`EpisodeDataPreprocessor`.
        backbone: Stays empty, the VLM is all there is. MMDetection's
            ``init_detector`` looks into it.

    Raises:
        InputError: ``pretrained`` is missing (MMDetection's ``DetInferencer``
            removes it) or no such folder, or ``backbone`` is not empty.
    """

    def __init__(
        self,
        pretrained: str | None = None,
        bbox_head: dict[str, Any] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        backbone: dict[str, Any] | None = None,
    ) -> None:
        if pretrained is None:
            raise InputError(
                "model.pretrained is missing: give the VLM's folder. MMDetection's DetInferencer, for "
                'single images, removes it: use focus_mmdet.apis.InContextInferencer'
            )
        if backbone:
            raise InputError(f'model.backbone={backbone}: FocusDetector takes none; set model.pretrained')
        pretrained = model_folder(pretrained)
        speech = {'type': EpisodeDataPreprocessor, **(data_preprocessor or {}), 'pretrained': pretrained}
        super().__init__(data_preprocessor=speech)
        self.pretrained = pretrained
        self.data_preprocessor: EpisodeDataPreprocessor
        head = {'type': VLMHead, **(bbox_head or {}), 'pretrained': pretrained}
        self.bbox_head: VLMHead = MODELS.build(head)
        self._stored = {name for name, weight in self.named_parameters() if weight.requires_grad}
        #: Set by the loops of focus_mmdet, where all processes take part in saving.
        self.saved_together = False
        self.register_state_dict_post_hook(_keep_stored)
        self.register_load_state_dict_post_hook(_forget_frozen)

    def init_weights(self) -> None:
        """Keep the weights as loaded; MMEngine's default would re-draw LoRA's."""

    @property
    def pad_id(self) -> int:
        return int(self.data_preprocessor.encoder.tokenizer.pad_token_id)

    def forward(
        self,
        inputs: EpisodeBatch,
        data_samples: Any = None,
        mode: str = 'tensor',
        rollout: Rollout | None = None,
    ) -> Any:
        """As every MMDetection detector; ``rollout`` turns the loss into GRPO's."""
        if mode == 'loss' and rollout is not None:
            return self.bbox_head.policy_loss(inputs, rollout, self.pad_id)
        return super().forward(inputs, data_samples, mode)

    def loss(self, batch_inputs: EpisodeBatch, batch_data_samples: Any) -> dict[str, Tensor]:
        require_ground_truth(batch_inputs, batch_data_samples)
        return self.bbox_head.loss(batch_inputs, self.pad_id)

    def predict(self, batch_inputs: EpisodeBatch, batch_data_samples: Any) -> Any:
        """Samples with ``pred_instances``; an unparsed answer is an empty one."""
        results = self.bbox_head.predict(batch_inputs, batch_data_samples, self.data_preprocessor.encoder)
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _forward(self, batch_inputs: EpisodeBatch, batch_data_samples: Any = None) -> Tensor:
        """(B, V) logits of the first answer token."""
        return self.bbox_head.first_logits(batch_inputs, self.pad_id)

    def extract_feat(self, batch_inputs: EpisodeBatch) -> Any:
        """Vision features of every frame, as the language model gets them."""
        return self.bbox_head.vlm.image_features(batch_inputs)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *args: Any) -> None:
        own = {prefix + name: weight.shape for name, weight in self.named_parameters()}
        tied = {prefix + name for name, _ in self.named_parameters(remove_duplicate=False)}
        needed = {prefix + name for name in self._stored}
        missing = sorted(needed - set(state_dict))
        unknown = sorted(set(state_dict) - tied)
        shapes = sorted(
            name for name in own.keys() & state_dict.keys() if own[name] != state_dict[name].shape
        )
        problems = [
            f'{len(names)} {what}, e.g. {names[0]}'
            for what, names in [
                ('weights of this model are not in it', missing),
                ('of its weights are not in this model', unknown),
                ('weights have another shape', shapes),
            ]
            if names
        ]
        problems += [
            f'its adapters were trained with {name}={local_metadata[name]!r}'
            for name, now in self.bbox_head.untold.items()
            if local_metadata.get(name) not in (None, now)
        ]
        if problems:
            source = local_metadata.get('filename', 'the checkpoint')
            raise InputError(
                f'{source} does not fit this model: {"; ".join(problems)}. Use the config it was '
                'trained with (same model.pretrained and model.bbox_head.lora), or another checkpoint.'
            )
        self._stored |= {name.removeprefix(prefix) for name in own.keys() & state_dict.keys()}
        for name, weight in self.named_parameters(prefix.removesuffix('.'), remove_duplicate=False):
            if name in state_dict and isinstance(weight, DTensor):
                # At once: all shards of a checkpoint beside those of the model may be too much.
                with torch.no_grad():
                    weight.copy_(spread_like(state_dict.pop(name), weight))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def _keep_stored(module: FocusDetector, state_dict: dict, prefix: str, local_metadata: dict) -> None:
    """Drop from a state dict what the pretrained folder already holds.

    The rest is whole, in the first process.
    """
    local_metadata.update(module.bbox_head.untold)
    kept = {prefix + name for name in module._stored}
    for name in [name for name in state_dict if name.startswith(prefix) and name not in kept]:
        del state_dict[name]
    for name, weight in state_dict.items():
        if isinstance(weight, DTensor):
            if not module.saved_together:
                raise InputError(
                    'FullyShardedModel: saving takes every process; set train_cfg.type to ResumableTrainLoop '
                    "or GRPOTrainLoop, and optim_wrapper.constructor='TrainableOptimWrapperConstructor'"
                )
            state_dict[name] = on_main(weight)


def _forget_frozen(module: FocusDetector, incompatible: Any) -> None:
    """Frozen weights are not in checkpoints; what must be was checked before."""
    incompatible.missing_keys.clear()
