"""Load the image processor, tokenizer and chat template of a VLM folder."""

from pathlib import Path
from typing import Any

import numpy as np
from transformers import ProcessorMixin
from transformers.image_utils import make_flat_list_of_images

from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.families import VLMFamily
from focus_mmdet.models.vlm.model_folder import check_file, reading


class ImageTextProcessor(ProcessorMixin):
    """Image processor, tokenizer and chat template: images as the VLM's family sees them.

    transformers' own processors need torchvision for their video half, which
    has no CPU-only build on PyPI. Images need none of it.
    """

    #: Of a subclass: an attribute of an instance would be saved with it.
    family: VLMFamily

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None):
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self.image_token = self.family.image_token
        self.image_token_id = self.family.image_token_id

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # By name, because transformers' attribute for it came after 5.17.
        return super().__call__(
            *args, **{'return_mm_token_type_ids': self.family.takes_token_types, **kwargs}
        )

    def _process_images(self, images: Any, **_: Any) -> tuple[dict[str, Any], list[str]]:
        """What the model is given of all images, and what stands for each in the text."""
        arrays = [np.asarray(image) for image in make_flat_list_of_images(images)]
        seen = self.family.see(arrays, self.image_processor)
        return self.family.join([image.tensors for image in seen]), [image.text for image in seen]


def processor_class(of: VLMFamily) -> type[ImageTextProcessor]:
    """The processor of a family."""

    class FamilyProcessor(ImageTextProcessor):
        family = of

    return FamilyProcessor


def load_processor(path: str, family: VLMFamily) -> Any:
    """Processor of the model folder ``path``, a :class:`ImageTextProcessor` over its files.

    Raises:
        InputError: The folder lacks a part of it, or a file is broken.
    """
    folder = Path(path)
    for names in (('tokenizer.json', 'vocab.json'), ('preprocessor_config.json', 'processor_config.json')):
        if not any((folder / name).is_file() for name in names):
            raise InputError(f'{path}: no {names[0]}. Copy it from the published model.')
    # A pointer in its place would be spoken as it is.
    check_file(folder / 'chat_template.jinja')
    with reading(path, 'its processor'):
        processor: Any = processor_class(family).from_pretrained(path)
    processor.chat_template = (
        family.chat_template or processor.chat_template or processor.tokenizer.chat_template
    )
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
    if processor.tokenizer.convert_tokens_to_ids(family.image_token) != family.image_token_id:
        raise InputError(
            f'{path}: image_token_id={family.image_token_id} in config.json is not the id of '
            f'{family.image_token} in its tokenizer. Copy both from the published model.'
        )
    family.check_processor(folder, processor.image_processor)
    return processor
