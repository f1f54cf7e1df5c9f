"""What each family's own processor does, said slowly: by transformers' own code, or one token at a time.

``LAYOUTS[family]`` holds two functions.

``changed(family, before, after)``: (N,) bool, which visual tokens are given
other pixels, of one image before and after a part of it was painted over.

``text(family, processor, image)``: what transformers' processor writes for an
image, as a string.
"""

from functools import cache
from types import SimpleNamespace

import torch
from transformers import (
    AutoModelForImageTextToText,
    Idefics3Processor,
    InternVLProcessor,
    LlavaOnevisionProcessor,
    LlavaProcessor,
    SmolVLMProcessor,
)
from transformers.models.idefics3.modeling_idefics3 import Idefics3Connector

#: Of pixels scaled to about -1..1: more than a blurred edge.
CHANGE = 0.5


def differs(before, after):
    return (after.tensors['pixel_values'] - before.tensors['pixel_values']).abs() > CHANGE


def patches_changed(family, before, after):
    """Qwen: four neighbouring rows of patches are a token, (patches, channel x time x height x width)."""
    merge = family.config.vision_config.spatial_merge_size**2
    return torch.stack([part.any() for part in differs(before, after).split(merge)])


def patches_text(family, processor, image):
    grid = processor([image], return_tensors='pt')['image_grid_thw'][0]
    return family.image_token * (int(grid.prod()) // processor.merge_size**2)


def grid_changed(family, before, after):
    """One image (1, 3, H, W), cut into a grid of squares of 16 pixels, row by row."""
    pixels = differs(before, after)[0].any(0)
    rows, columns = (side // 16 for side in pixels.shape)
    return torch.stack(
        [
            pixels[16 * row : 16 * row + 16, 16 * column : 16 * column + 16].any()
            for row in range(rows)
            for column in range(columns)
        ]
    )


def llava_text(family, processor, image):
    own = SimpleNamespace(
        image_token=family.image_token,
        patch_size=16,
        num_additional_image_tokens=0,
        vision_feature_select_strategy='full',
    )
    return LlavaProcessor.replace_image_token(own, processor([image], return_tensors='pt'), 0)


@cache
def patchwise(family, attention_out):
    """A tiny model whose tower keeps patches apart: weights ``attention_out`` of its attention are zero."""
    model = AutoModelForImageTextToText.from_config(family.config).eval()
    for name, weight in model.model.vision_tower.named_parameters():
        if attention_out in name:
            torch.nn.init.zeros_(weight)
    return model


def features_changed(attention_out):
    """What the model itself makes of the changed pixels, one feature for each token."""

    @torch.no_grad()
    def changed(family, before, after):
        painted = differs(before, after).float()
        images = [
            {**after.tensors, 'pixel_values': pixels} for pixels in (painted, torch.zeros_like(painted))
        ]
        model, count = patchwise(family, attention_out), [len(after.places)]
        (first,), (second,) = (family.image_features(model, [image], count) for image in images)
        return ((first - second).abs() > 1e-6).any(-1)

    return changed


def llava_onevision_text(family, processor, image):
    """Of one of two images."""
    own = SimpleNamespace(
        image_token=family.image_token, num_image_tokens=16, vision_feature_select_strategy='full'
    )
    return LlavaOnevisionProcessor.replace_image_token(own, processor([[image] * 2], return_tensors='pt'), 0)


def internvl_text(family, processor, image):
    own = SimpleNamespace(
        image_token=family.image_token,
        start_image_token='<img>',
        end_image_token='</img>',
        image_seq_length=family.config.image_seq_length,
    )
    inputs = processor([image], **InternVLProcessor.images_kwargs, return_tensors='pt')
    return InternVLProcessor.replace_image_token(own, inputs, 0)


def tiles_changed(family, before, after):
    """Tiles (1, tiles, 3, side, side), their patches shuffled into tokens by the model's own connector."""
    patch, merge = family.config.vision_config.patch_size, family.config.scale_factor
    tokens = []
    for pixels in differs(before, after)[0].any(1):
        side = len(pixels) // patch
        patches = pixels.unfold(0, patch, patch).unfold(1, patch, patch).reshape(1, side * side, -1)
        shuffled = Idefics3Connector.pixel_shuffle(None, patches.any(-1, keepdim=True), merge)
        tokens.append(shuffled[0].any(-1))
    return torch.cat(tokens)


def tiles_text(family, processor, image):
    vision = processor([image], return_row_col_info=True)
    side = family.config.vision_config.image_size // family.config.vision_config.patch_size
    own = SimpleNamespace(
        image_token=family.image_token,
        image_seq_len=(side // family.config.scale_factor) ** 2,
        fake_image_token='<fake_token_around_image>',
        global_image_tag='<global-img>',
        global_image_token='<global-img>',
    )
    theirs = {'idefics3': Idefics3Processor, 'smolvlm': SmolVLMProcessor}[family.config.model_type]
    return theirs.replace_image_token(own, vision, 0)


def lines_text(family, processor, image):
    """Transformers' PixtralProcessor needs torchvision: its rule, one token at a time."""
    height, width = processor([image])['image_sizes'][0]
    tokens = []
    for _ in range(height // 16):
        for _ in range(width // 16):
            tokens.append('[IMG]')
        tokens.append('[IMG_BREAK]')
    tokens[-1] = '[IMG_END]'
    return ''.join(tokens)


QWEN = SimpleNamespace(changed=patches_changed, text=patches_text)
TILES = SimpleNamespace(changed=tiles_changed, text=tiles_text)
LAYOUTS = {
    'qwen3_vl': QWEN,
    'qwen2_5_vl': QWEN,
    'qwen2_vl': QWEN,
    'fast_vlm': SimpleNamespace(changed=grid_changed, text=llava_text),
    'llava_onevision': SimpleNamespace(changed=features_changed('out_proj'), text=llava_onevision_text),
    'internvl': SimpleNamespace(changed=features_changed('lambda_1'), text=internvl_text),
    'smolvlm': TILES,
    'idefics3': TILES,
    'llava': SimpleNamespace(changed=grid_changed, text=lines_text),
}
