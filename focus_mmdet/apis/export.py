"""Leave MMEngine: trained detectors as Hugging Face and PEFT folders."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from peft import LoraConfig
from safetensors import SafetensorError
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText, GenerationConfig

from focus_mmdet.engine.checkpoints.loading import check_local
from focus_mmdet.errors import InputError
from focus_mmdet.models.detectors.focus_detector import FocusDetector
from focus_mmdet.models.vlm.lora import adapter_weights, merged_weights
from focus_mmdet.models.vlm.model_folder import reading

#: What describes weights; all other files of a model folder are copied.
_WEIGHTS = ('.safetensors', '.bin', '.safetensors.index.json', '.bin.index.json')


def load_detector(config: Config, checkpoint: str | None) -> FocusDetector:
    """The detector of a config with the weights of a checkpoint, on the CPU.

    Raises:
        InputError: The model folder is missing or the checkpoint does not fit,
            or is no file.
    """
    if checkpoint is not None:
        check_local(checkpoint)
        # Before a large model is read.
        if not Path(checkpoint).expanduser().is_file():
            raise InputError(f'{checkpoint}: no such checkpoint')
    init_default_scope(config.get('default_scope') or 'mmdet')
    detector: FocusDetector = MODELS.build(config.model)
    if checkpoint is not None:
        load_checkpoint(detector, checkpoint, map_location='cpu')
    return detector.eval()


def check_new(folder: str | Path) -> None:
    """Raise :class:`InputError` unless a folder is new or empty."""
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f'{path}: exists and is not an empty folder; choose another')


@contextmanager
def _whole_folder(folder: str | Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``folder`` at the end, or is gone."""
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f'.{target.name}.', dir=target.parent) as around:
        part = Path(around) / target.name
        part.mkdir()
        try:
            yield part
        except SafetensorError as error:
            raise InputError(f'{folder}: cannot be written ({error}). Make room, and export again') from error
        part.rename(target)


def export_huggingface(detector: FocusDetector, folder: str | Path, dtype: str | None = None) -> Path:
    """Write a folder that plain transformers loads, adapters merged.

    Args:
        detector: From :func:`load_detector`.
        folder: New or empty.
        dtype: Of the written weights, e.g. ``'float16'``; default: as loaded.

    Returns:
        The folder.

    Raises:
        InputError: ``folder`` is not empty or cannot be written, or the weights are quantized.
    """
    if getattr(detector.bbox_head.vlm.model, 'is_quantized', False):
        raise InputError(
            'adapters are merged into weights as published: add '
            '--cfg-options model.bbox_head.quantization=None'
        )
    check_new(folder)
    vlm = detector.bbox_head.vlm
    written = vlm.model.dtype if dtype is None else getattr(torch, dtype)
    model: Any = AutoModelForImageTextToText.from_config(vlm.model.config, dtype=written)
    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in merged_weights(vlm.model, trained_only=False):
            own.pop(name).copy_(weight)
        # Batch norms of a convolutional tower keep what they have seen in these.
        kept = dict(model.named_buffers())
        for name, buffer in vlm.model.named_buffers():
            kept[name].copy_(buffer)
    if own:
        raise RuntimeError(f'not written: {sorted(own)}')
    source = Path(detector.pretrained)
    if (source / 'generation_config.json').is_file():
        with reading(str(source), 'generation_config.json'):
            model.generation_config = GenerationConfig.from_pretrained(source)
    with _whole_folder(folder) as path:
        model.save_pretrained(path)
        copy_companions(source, path)
        if vlm.family.chat_template is not None:
            (path / 'chat_template.jinja').write_text(vlm.family.chat_template, 'utf-8')
    return Path(folder)


def copy_companions(source: str | Path, folder: str | Path) -> None:
    """Copy what a model folder holds beside weights, tokenizer and such, where ``folder`` lacks it."""
    for file in Path(source).iterdir():
        if file.is_file() and not file.name.endswith(_WEIGHTS) and not (Path(folder) / file.name).exists():
            shutil.copy(file, folder)


def export_peft(detector: FocusDetector, folder: str | Path) -> Path:
    """Write the adapters as a folder that ``peft.PeftModel`` loads.

    Args:
        detector: From :func:`load_detector`, with LoRA.
        folder: New or empty.

    Returns:
        The folder.

    Raises:
        InputError: The detector has no adapters, more than them was trained,
            or ``folder`` is not empty or cannot be written.
    """
    head = detector.bbox_head
    if head.lora is None:
        raise InputError('model.bbox_head.lora=None: there are no adapters; export a Hugging Face folder')
    if any(weight.requires_grad and '.lora_' not in name for name, weight in head.named_parameters()):
        raise InputError('freeze_vision=False trained more than adapters; export a Hugging Face folder')
    check_new(folder)
    options = {'target_modules': head.vlm.family.lora_targets, **head.lora}
    config = LoraConfig(**options, base_model_name_or_path=detector.pretrained, inference_mode=True)
    weights = adapter_weights(head.vlm.model)
    with _whole_folder(folder) as path:
        config.save_pretrained(path)
        save_file(weights, path / 'adapter_model.safetensors', metadata={'format': 'pt'})
    return Path(folder)
