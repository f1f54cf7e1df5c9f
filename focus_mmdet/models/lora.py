"""Low-rank adapters on the language model, through peft."""

from typing import Any

from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from focus_mmdet.models.families import VLMFamily


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
    inject_adapter_in_model(config, model)
    for parameter in model.parameters():
        if parameter.requires_grad:
            # Adapters learn in float32 even where the base is half precision.
            parameter.data = parameter.data.float()
