"""Load the image processor, tokenizer and chat template of a VLM folder."""

from pathlib import Path
from typing import Any

from transformers import AutoProcessor, ProcessorMixin
from transformers.utils import is_torchvision_available

from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.model_folder import check_file, load_config, reading


class ImageTextProcessor(ProcessorMixin):
    """Image processor, tokenizer and chat template, without a video part.

    transformers' Qwen-VL processors need torchvision for their video half,
    which has no CPU-only build on PyPI. Images need none of it.
    """

    return_mm_token_type_ids = True

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None):
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self.image_token = '<|image_pad|>'
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)

    def replace_image_token(self, image_inputs: dict, image_idx: int, **kwargs: Any) -> str:
        """As many placeholders as image ``image_idx`` has visual tokens."""
        patches = int(image_inputs['image_grid_thw'][image_idx].prod())
        return self.image_token * (patches // self.image_processor.merge_size**2)


def load_processor(path: str) -> Any:
    """Processor of the model folder ``path``.

    transformers' own class where torchvision is installed, else
    :class:`ImageTextProcessor` over the same files.

    Raises:
        InputError: The folder lacks a part of it, or a file is broken.
    """
    folder = Path(path)
    for names in (('tokenizer.json', 'vocab.json'), ('preprocessor_config.json', 'processor_config.json')):
        if not any((folder / name).is_file() for name in names):
            raise InputError(f'{path}: no {names[0]}. Copy it from the published model.')
    # A pointer in its place would be spoken as it is.
    check_file(folder / 'chat_template.jinja')
    kind = AutoProcessor if is_torchvision_available() else ImageTextProcessor
    with reading(path, 'its processor'):
        processor = kind.from_pretrained(path)
    processor.chat_template = processor.chat_template or processor.tokenizer.chat_template
    if not processor.chat_template:
        raise InputError(
            f'{path}: no chat template (chat_template.jinja, chat_template.json or in '
            'tokenizer_config.json). Copy it from the published model.'
        )
    with reading(path, 'its chat template'):
        processor.apply_chat_template([{'role': 'user', 'content': [{'type': 'text', 'text': 'a'}]}])
    if processor.tokenizer.pad_token_id is None:
        raise InputError(
            f'{folder / "tokenizer_config.json"}: no pad_token. Copy the file from the published model.'
        )
    _check_patches(folder, processor.image_processor)
    return processor


def _check_patches(folder: Path, processor: Any) -> None:
    """Raise :class:`InputError` where images are not cut as the model expects them."""
    vision = load_config(str(folder)).vision_config
    for name, of_model in (('patch_size', 'patch_size'), ('merge_size', 'spatial_merge_size')):
        found, expected = getattr(processor, name, None), getattr(vision, of_model)
        if found != expected:
            raise InputError(
                f'{folder / "preprocessor_config.json"}: {name}={found}, but vision_config.{of_model} of '
                f'config.json is {expected}. Copy the file from the published model of this config.json.'
            )
