"""A Hugging Face VLM as the rest of the package uses it.

Vision features are computed once and handed on, logits are computed only
where asked for, positions are explicit. One ``forward`` serves training,
prefill, decoding and the shared-prefix pass.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.utils import is_accelerate_available, is_bitsandbytes_available, is_flash_attn_2_available

from focus_mmdet.core.vocabulary import read_logits
from focus_mmdet.errors import InputError, check_choice
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.vlm.attention_probe import BACKENDS, AttentionProbe, register_attention
from focus_mmdet.models.vlm.families import FAMILIES, VLMFamily
from focus_mmdet.models.vlm.feature_cache import FeatureCache
from focus_mmdet.models.vlm.known_prefix import BehindPrefix, KnownPrefix
from focus_mmdet.models.vlm.loading import load_weights as load_weights_of
from focus_mmdet.models.vlm.model_folder import load_config, model_folder, reading
from focus_mmdet.models.vlm.sharding import forget_gathered


def load_family(pretrained: str) -> VLMFamily:
    """The family adapter for the model folder ``pretrained``.

    Raises:
        InputError: No model folder, or a family without an adapter.
    """
    pretrained = model_folder(pretrained)
    config = load_config(pretrained)
    if config.model_type not in FAMILIES:
        raise InputError(
            f'{pretrained}/config.json: model_type {config.model_type!r} has no adapter; '
            f'known: {", ".join(sorted(FAMILIES))}. See focus_mmdet/models/vlm/families.'
        )
    return FAMILIES[config.model_type](config)


def _check_attention(name: str) -> None:
    """Raise :class:`InputError` where a backend can't be measured or used."""
    if name not in BACKENDS:
        raise InputError(
            f'model.bbox_head.attn_implementation={name!r}: its attention cannot be measured; use one of '
            f'{tuple(BACKENDS)}'
        )
    if name == 'flash_attention_2' and not is_flash_attn_2_available():
        raise InputError(
            f'model.bbox_head.attn_implementation={name!r} needs a GPU and the flash-attn package; '
            "'sdpa' needs neither"
        )


def _quantized(options: dict[str, Any], load_weights: bool) -> dict[str, Any]:
    """Arguments of ``from_pretrained`` that quantize a model where it will stay."""
    if not load_weights:
        raise InputError('model.bbox_head.quantization: only weights that are loaded can be quantized')
    if not (is_bitsandbytes_available() and is_accelerate_available()):
        raise InputError(
            'model.bbox_head.quantization needs the packages bitsandbytes and accelerate: '
            "pip install -c constraints.txt -e '.[qlora]'"
        )
    try:
        config = BitsAndBytesConfig(**options)
    except (TypeError, ValueError) as error:
        raise InputError(f'model.bbox_head.quantization={options!r}: {error}') from error
    place = torch.cuda.current_device() if torch.cuda.is_available() else 'cpu'
    return {'quantization_config': config, 'device_map': {'': place}}


@contextmanager
def given_features(model: Any, features: Any) -> Iterator[dict[str, Tensor]]:
    """Arguments with which ``model`` takes vision features that are already computed.

    Args:
        model: Below its output layer.
        features: From :meth:`VLMFamily.joined_features`; None where there are no images.

    Not ``mm_encoder_outputs``: transformers before 5.18 passes over it in silence.
    """
    if features is None:
        yield {}
        return
    model.get_image_features = lambda *_, **__: features
    try:
        yield {'pixel_values': torch.empty(0)}
    finally:
        del model.get_image_features


class VisionLanguageModel(nn.Module):
    """A pretrained VLM behind its family adapter.

    Args:
        pretrained: Folder written by ``save_pretrained``, or a published one.
        dtype: Of the weights, e.g. ``'bfloat16'``.
        gradient_checkpointing: Recompute language-model layers in backward.
        attn_implementation: ``'sdpa'`` or ``'flash_attention_2'``, of the
            language model.
        load_weights: False draws random ones for the architecture in
            ``config.json``: for benchmarks and dry runs.
        quantization: Options of ``transformers.BitsAndBytesConfig``; None
            keeps the weights as they are.
        feature_cache: GiB of features that are kept of images which come again, for a tower
            that does not train.
    """

    def __init__(
        self,
        pretrained: str,
        dtype: str = 'float32',
        gradient_checkpointing: bool = False,
        attn_implementation: str = 'sdpa',
        load_weights: bool = True,
        quantization: dict[str, Any] | None = None,
        feature_cache: float = 0.0,
    ) -> None:
        super().__init__()
        pretrained = model_folder(pretrained)
        self.family = load_family(pretrained)
        if feature_cache and not self.family.keeps_features:
            raise InputError(
                f'model.bbox_head.feature_cache={feature_cache}: {type(self.family).__name__} keeps no '
                'features; leave it out'
            )
        self.family.cache = FeatureCache(feature_cache) if feature_cache else None
        check_choice('model.bbox_head.dtype', dtype, ('float32', 'bfloat16', 'float16'))
        _check_attention(attn_implementation)
        register_attention()
        # Only the language model is probed; the vision tower keeps plain SDPA.
        options = {
            'dtype': getattr(torch, dtype),
            'attn_implementation': {'': 'sdpa', 'text_config': BACKENDS[attn_implementation]},
        }
        if quantization is not None:
            options.update(_quantized(quantization, load_weights))
        #: Contents of weights that stand empty until they are spread over the processes.
        self.waiting: dict[nn.Parameter, Tensor] = {}
        self.model: Any
        if load_weights:
            print_log(f'Loading the VLM from {pretrained} as {dtype}', 'current', logging.INFO)
            self.model, self.waiting = load_weights_of(pretrained, **options)
        else:
            print_log(f'Random weights for the VLM of {pretrained}', 'current', logging.WARNING)
            with reading(pretrained, 'the model of its config.json'):
                self.model = AutoModelForImageTextToText.from_config(self.family.config, **options)
        if gradient_checkpointing:
            self.model.gradient_checkpointing_enable({'use_reentrant': False})

    @contextmanager
    def other_weights(self, weights: dict[str, Tensor]) -> Iterator[None]:
        """Have ``weights``, by name, in place of one's own, and one's own back.

        In place, because who shards the model hands out its weights itself.
        No backward pass may lie between: autograd would find its weights changed.
        """
        if weights:
            forget_gathered(self)
        own: dict[str, Tensor] = {name: weight for name, weight in self.named_parameters() if name in weights}
        kept = {name: weight.detach().clone() for name, weight in own.items()}
        self._write(own, weights)
        try:
            yield
        finally:
            self._write(own, kept)

    @torch.no_grad()
    def _write(self, own: dict[str, Tensor], values: dict[str, Tensor]) -> None:
        for name, weight in own.items():
            weight.copy_(values[name])
        if own:
            forget_gathered(self)
            torch.clear_autocast_cache()  # It knows weights by their place, not by what is in it.

    @property
    def layers(self) -> int:
        """Layers of the language model."""
        return int(self.model.config.get_text_config().num_hidden_layers)

    @property
    def heads(self) -> int:
        """Query heads in each of them."""
        return int(self.model.config.get_text_config().num_attention_heads)

    @property
    def window(self) -> int:
        """Most tokens of a prompt and its answer."""
        return int(self.model.config.get_text_config().max_position_embeddings)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def train(self, mode: bool = True) -> 'VisionLanguageModel':
        """Batch norms of a tower keep their statistics, or an episode would depend on its batch."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    @property
    def vision_parameters(self) -> list[nn.Parameter]:
        """Weights of the vision part, projector included."""
        return self.family.vision_parameters(self.model)

    @property
    def blocks(self) -> list[nn.Module]:
        """The parts that may be gathered one at a time where weights are spread over processes.

        Those that transformers keeps whole on one device; not those of a vision part that
        processes run differently often, because they would wait for one another.
        """
        names = set(self.model._no_split_modules)
        blocks = [part for part in self.modules() if type(part).__name__ in names]
        if self.family.sees_all_at_once:
            return blocks
        vision = set(map(id, self.vision_parameters))
        return [part for part in blocks if vision.isdisjoint(map(id, part.parameters()))]

    def image_features(self, batch: EpisodeBatch) -> list[Any]:
        """Vision features of each image of a batch, to be passed to :meth:`forward`.

        Computed once per batch while the vision part is frozen.
        """
        if batch.features is not None:
            return batch.features
        trains = any(parameter.requires_grad for parameter in self.vision_parameters)
        counts = [len(places) for places in batch.places]
        with torch.set_grad_enabled(trains and torch.is_grad_enabled()):
            features = self.family.image_features(self.model, batch.vision, counts)
        if not trains:
            batch.features = features
        return features

    def prompt_positions(
        self, input_ids: Tensor, attention_mask: Tensor, images: Sequence[dict[str, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Rotary positions of prompts, and (B,) the position after each; see :class:`VLMFamily`.

        Args:
            input_ids: (B, T).
            attention_mask: (B, T) of 0 and 1.
            images: ``EpisodeBatch.vision``.
        """
        return self.family.prompt_positions(self.model, input_ids, attention_mask, images)

    @torch.no_grad()
    def know_prefix(
        self, ids: Tensor, images: Sequence[dict[str, Tensor]], features: Sequence[Any]
    ) -> KnownPrefix | None:
        """Read the beginning of prompts once, for ``prefix`` of :meth:`forward`; in eval mode.

        Args:
            ids: (S,).
            images: ``EpisodeBatch.vision`` of the images in it.
            features: Of these, from :meth:`image_features`.

        Returns:
            None for a model that does not keep all tokens (sliding windows).
        """
        mask = torch.ones_like(ids)[None]
        positions, following = self.prompt_positions(ids[None], mask, images)
        cache = DynamicCache(config=self.model.config.get_text_config())
        self(ids[None], mask, positions, features, cache=cache)
        if any(type(layer) is not DynamicLayer for layer in cache.layers):
            return None
        return KnownPrefix([(layer.keys, layer.values) for layer in cache.layers], following)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        position_ids: Tensor,
        features: Sequence[Any] | None = None,
        select: tuple[Tensor, Tensor] | None = None,
        probe: AttentionProbe | None = None,
        cache: Any = None,
        labels: Tensor | None = None,
        read: Callable[[Tensor, Tensor], Any] | None = None,
        prefix: KnownPrefix | None = None,
    ) -> Tensor | list[Any]:
        """Next-token logits in float32, or what is read of them.

        Args:
            input_ids: (B, T).
            attention_mask: (B, past + T) of 0 and 1, or (B, 1, A, T) bool for
                the last A rows, those before them being causal.
            position_ids: (B, T), or (axes, B, T) where the family has several.
            features: From :meth:`image_features`; None where no new visual
                token is in ``input_ids``.
            select: Index pair (batch, position), both of shape S; default is
                the last position of each sequence.
            probe: Watches the attention of every language-model layer.
            cache: transformers cache, extended in place; None trains.
            labels: (S,) ids for ``read``.
            read: What to compute of the logits of a few tokens and their
                labels, where all logits at once would be too large.
            prefix: What stands before all sequences, in neither mask nor cache; not with a probe.

        Returns:
            (S, V), or (B, V) without ``select``; with ``read``, what it gave
            for one chunk of S after the other.
        """
        extra: dict[str, Any] = {} if probe is None else {'probe': probe}
        if prefix is not None:
            extra['behind'] = BehindPrefix.of(prefix, attention_mask, input_ids.shape[1])
        joined = None if features is None else self.family.joined_features(features)
        with given_features(self.model.model, joined) as images:
            hidden = self.model.model(
                input_ids=input_ids,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=cache,
                use_cache=cache is not None,
                **images,
                **extra,
            ).last_hidden_state
        chosen = hidden[:, -1] if select is None else hidden[select]
        words = self.model.get_output_embeddings()
        if read is None or labels is None:
            return words(chosen).float()
        return read_logits(words, read, chosen, labels, self.model.config.get_text_config().vocab_size)
