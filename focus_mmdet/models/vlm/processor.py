"""Load the image processor, tokenizer and chat template of a VLM folder."""

from typing import Any

from transformers import AutoProcessor, ProcessorMixin
from transformers.utils import is_torchvision_available

from focus_mmdet.errors import InputError


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
        InputError: The folder holds no chat template.
    """
    kind = AutoProcessor if is_torchvision_available() else ImageTextProcessor
    processor = kind.from_pretrained(path)
    processor.chat_template = processor.chat_template or processor.tokenizer.chat_template
    if processor.chat_template is None:
        raise InputError(
            f'{path}: no chat template (chat_template.jinja, chat_template.json or in '
            'tokenizer_config.json). Copy it from the published model.'
        )
    return processor
