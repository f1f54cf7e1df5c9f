"""Build the small VLM before it has learned anything: pretrained eyes, and a decoder that knows numbers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from torch import Tensor
from transformers import AutoModel, AutoModelForImageTextToText, FastVlmConfig, Qwen2Config
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from focus_mmdet.datasets.image_file import read_image
from focus_mmdet.models.sizing.first_weights import set_first_weights
from focus_mmdet.models.sizing.tiny import build_tokenizer
from focus_mmdet.models.sizing.tiny_families import TINY
from focus_mmdet.models.sizing.tiny_families.tiny_family import TinySizes, text_options
from focus_mmdet.models.vlm.families import FastVLM
from focus_mmdet.models.vlm.model_folder import reading
from focus_mmdet.models.vlm.towers import MobileNetV2GridConfig

#: Pixels of an image's side, and by how many the model counts along it.
SIDE, CELLS = 320, 100
#: Width and number of attention heads.
HEAD, HEADS = 64, 4
#: So large that most of a head's pairs hardly turn over a prompt's length: what tokens look like is
#: compared through these. Where a visual token looks it knows from its features.
ROPE_THETA = 1e8


def build_small_vlm(
    folder: str | Path,
    eyes: str | Path,
    pictures: Sequence[str | Path],
    width: int = 128,
    layers: int = 6,
    seed: int = 0,
    teach: Callable[[Any, Any, list[int], Tensor], Any] | None = None,
) -> Path:
    """Write a FastVLM with the weights of a MobileNetV2 as its vision tower.

    A coordinate is one token, which a decoder reads and writes in one step.

    Args:
        folder: Created if missing.
        eyes: Folder of the MobileNetV2, as ``tools/model_converters/mobilenet_v2.py`` writes it, or of a
            small model built from one.
        pictures: Image files, from which the decoder takes over what looks alike to the eyes. What they
            show does not matter.
        width: Hidden size of the language model, at least 32.
        layers: Its depth.
        seed: Of the random weights, and of what is drawn while it is taught.
        teach: Is given the model before it is written, its tokenizer, the ids of the tokens 0, 1, ..
            up to the largest coordinate, and the (N, channels, rows, columns) that the eyes see in the
            pictures.

    Returns:
        The folder.

    Raises:
        UnreadableImageError: One of the pictures cannot be read.
    """
    tiny = TINY['fast_vlm']
    tokenizer = build_tokenizer(tiny, FastVLM.stop_token)
    tokenizer.add_tokens([AddedToken(str(number), normalized=False) for number in range(CELLS + 1)])
    ids = {token: int(tokenizer.convert_tokens_to_ids(token)) for token in tiny.special_tokens}
    text = text_options(TinySizes(width, layers, 0), tokenizer.pad_token_id, tokenizer.eos_token_id)
    text |= dict(
        head_dim=HEAD,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        rope_parameters=dict(rope_type='default', rope_theta=ROPE_THETA),
    )
    vision = MobileNetV2GridConfig()
    config = FastVlmConfig(
        text_config=Qwen2Config(**text),
        vision_config=vision,
        image_token_index=ids[FastVLM.image_token],
        image_seq_length=(SIDE // vision.stride) ** 2,
        tie_word_embeddings=True,
        coordinate_cells=CELLS,
    )
    processor = CLIPImageProcessorPil(
        size=dict(height=SIDE, width=SIDE),
        do_center_crop=False,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    with reading(str(eyes), 'its weights'):
        given = AutoModel.from_pretrained(eyes)
    weights = getattr(given, 'vision_tower', given).state_dict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = AutoModelForImageTextToText.from_config(config, attn_implementation='eager')
        tower = model.model.vision_tower
        tower.load_state_dict({name: weights[name] for name in tower.state_dict()})
        numbers = tokenizer.convert_tokens_to_ids([str(number) for number in range(CELLS + 1)])
        seen = _see(tower, processor, pictures)[:, : -4 * vision.frequencies]
        set_first_weights(model, numbers, seen.movedim(1, -1).flatten(0, 2))
        if teach is not None:
            teach(model, tokenizer, numbers, seen)
    for part in (model, tokenizer, processor):
        part.save_pretrained(folder)
    return Path(folder)


@torch.no_grad()
def _see(tower: Any, processor: Any, pictures: Sequence[str | Path]) -> Tensor:
    """(N, hidden_size, rows, columns)"""
    tower.eval()
    images = (read_image(str(path))[..., ::-1] for path in pictures)
    pixels = (processor(image, return_tensors='pt')['pixel_values'] for image in images)
    return torch.cat([tower(each).last_hidden_state for each in pixels])
