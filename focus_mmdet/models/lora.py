"""Low-rank adapters on the language model, through peft."""

from collections.abc import Iterator
from typing import Any

from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from focus_mmdet.models.families import VLMFamily

_ADAPTER = 'default'


def add_lora(model: nn.Module, family: VLMFamily, options: dict[str, Any]) -> None:
    """Freeze ``model`` and add trainable adapters to its language model.

    Args:
        model: The Hugging Face model, changed in place.
        family: Says which layers to adapt.
        options: Passed to ``peft.LoraConfig``; ``target_modules`` defaults to
            the family's (q, k, v, o, gate, up, down of the language model).
    """
    config = LoraConfig(**{'target_modules': family.lora_targets, **options})
    model.requires_grad_(False)
    inject_adapter_in_model(config, model, _ADAPTER)
    for parameter in model.parameters():
        if parameter.requires_grad:
            # Adapters learn in float32 even where the base is half precision.
            parameter.data = parameter.data.float()


def merged_weights(model: nn.Module, trained_only: bool = True) -> Iterator[tuple[str, Tensor]]:
    """Weights by their names in the model without adapters.

    Adapted layers come as base plus adapter, in the base's dtype.

    Args:
        model: With or without adapters.
        trained_only: Only what trains here.
    """
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            base = module.get_base_layer().weight
            yield f'{name}.weight', (base + module.get_delta_weight(_ADAPTER).to(base.dtype)).detach()
    for name, weight in model.named_parameters():
        if name.endswith('.base_layer.weight') or '.lora_' in name:
            continue
        if weight.requires_grad or not trained_only:
            yield name.replace('.base_layer.', '.'), weight.detach()


def adapter_weights(model: nn.Module) -> dict[str, Tensor]:
    """The adapters under the names of a PEFT folder."""
    state = get_peft_model_state_dict(model, adapter_name=_ADAPTER)
    return {f'base_model.model.{name}': weight.detach().cpu().contiguous() for name, weight in state.items()}
