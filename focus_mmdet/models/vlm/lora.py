"""Low-rank adapters on the language model, through peft."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.families import VLMFamily

_ADAPTER = 'default'
#: ``init_lora_weights`` that leave the weights under the adapters as they are.
_DRAWN = (True, False, 'gaussian', 'orthogonal')


def untold(options: dict[str, Any]) -> dict[str, Any]:
    """What adapters mean and none of their weights tells: scales, and what was taken from under them."""
    config = LoraConfig(**options)
    init = config.init_lora_weights
    return {
        'lora_alpha': config.lora_alpha,
        'use_rslora': config.use_rslora,
        'alpha_pattern': dict(config.alpha_pattern),
        'init_lora_weights': 'drawn' if init in _DRAWN else str(init),
    }


def check_drawn(options: dict[str, Any]) -> None:
    """Raise :class:`InputError` for adapters that are not drawn, but begin from the weights under them."""
    config = LoraConfig(**options)
    if config.use_dora or config.init_lora_weights not in _DRAWN:
        raise InputError(
            'model.bbox_head.lora: use_dora and this init_lora_weights begin from the weights, which '
            'FullyShardedModel takes from their files later where model.bbox_head.dtype is another type than '
            'theirs. Set dtype to that of the files'
        )


def add_lora(model: nn.Module, family: VLMFamily, options: dict[str, Any]) -> None:
    """Freeze ``model`` and add trainable adapters to its language model.

    Args:
        model: The Hugging Face model, changed in place.
        family: Says which layers to adapt.
        options: Passed to ``peft.LoraConfig``; ``target_modules`` defaults to
            the family's (q, k, v, o, gate, up, down of the language model).

    Raises:
        InputError: peft refuses them, or a checkpoint of adapters alone would not hold all that they change.
    """
    model.requires_grad_(False)
    if str(options.get('init_lora_weights')).startswith('pissa_niter'):
        raise InputError(
            f'model.bbox_head.lora.init_lora_weights={options["init_lora_weights"]!r} draws what it takes '
            "from the weights under the adapters, and checkpoints do not hold it. 'pissa' does not draw"
        )
    if options.get('modules_to_save'):
        raise InputError(
            'model.bbox_head.lora.modules_to_save: whole modules do not train beside adapters. Name layers '
            'in target_modules, or set lora=None'
        )
    try:
        config = LoraConfig(**{'target_modules': family.lora_targets, **options})
        inject_adapter_in_model(config, model, _ADAPTER)
    except (TypeError, ValueError) as error:
        raise InputError(f'model.bbox_head.lora={dict(options)}: {error}') from error
    for parameter in model.parameters():
        if parameter.requires_grad:
            # Adapters learn in float32 even where the base is half precision.
            parameter.data = parameter.data.float()


def merged_weights(model: nn.Module, trained_only: bool = True) -> Iterator[tuple[str, Tensor]]:
    """Weights by their names in the model without adapters.

    Adapted layers are merged in float32; vision weights, norms and embeddings
    come as they are.

    Args:
        model: With or without adapters.
        trained_only: Only layers with something that trains here.

    Raises:
        InputError: An adapter that no weight can take up, such as a bias for a
            layer that has none.
    """
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            merged: Any = deepcopy(module).float()
            try:
                merged.merge()
            except RuntimeError as error:
                raise InputError(f'{name}: {error} Use the adapters themselves (to_peft.py)') from error
            for part, weight in merged.get_base_layer().named_parameters():
                yield f'{name}.{part}', weight.detach()
    for name, weight in model.named_parameters():
        if '.base_layer.' in name or '.lora_' in name:
            continue
        if weight.requires_grad or not trained_only:
            yield name, weight.detach()


def adapter_weights(model: nn.Module) -> dict[str, Tensor]:
    """The adapters under the names of a PEFT folder."""
    state = get_peft_model_state_dict(model, adapter_name=_ADAPTER)
    return {f'base_model.model.{name}': weight.detach().cpu().contiguous() for name, weight in state.items()}
