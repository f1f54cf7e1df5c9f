"""InternVL3's images are tiles and a thumbnail."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from focus_mmdet.models.sizing.published_sizes import published_config
from focus_mmdet.models.vlm.families import InternVL
from focus_mmdet.models.vlm.model_folder import load_model


@pytest.mark.parametrize(
    ('size', 'most', 'grid'),
    [((640, 432), 12, (3, 2)), ((432, 640), 12, (2, 3)), ((300, 1200), 12, (1, 4)), ((640, 432), 1, (1, 1))],
)
def test_tiles_cover_the_image_once_and_the_thumbnail_once_more(size, most, grid):
    family = InternVL(published_config('InternVL3-1B-hf'))
    processor = family.image_processor()
    processor.max_patches = most
    (seen,) = family.see([np.zeros((*size[::-1], 3), np.uint8)], processor)
    parts = seen.places.view(-1, 256, 4)
    assert seen.tensors['pixel_values'].shape == (len(parts), 3, 448, 448)
    columns, rows = grid
    corners = [(*part[0, :2].tolist(), *part[-1, 2:].tolist()) for part in parts]
    tiles = [
        (x / columns, y / rows, (x + 1) / columns, (y + 1) / rows)
        for y in range(rows)
        for x in range(columns)
    ]
    whole = [(0, 0, 1, 1)] if len(tiles) > 1 else []
    assert np.allclose(corners, tiles + whole)


def test_an_output_layer_of_its_own_is_kept(vlm_folder, tmp_path):
    """Published files hold one, and their ``config.json`` says nothing of it."""
    folder = Path(shutil.copytree(vlm_folder('internvl'), tmp_path / 'model'))
    config = json.loads((folder / 'config.json').read_text())
    del config['tie_word_embeddings']
    config['text_config']['tie_word_embeddings'] = False
    (folder / 'config.json').write_text(json.dumps(config))
    weights = load_file(folder / 'model.safetensors')
    (words,) = (weight for name, weight in weights.items() if 'embed_tokens' in name)
    own = torch.ones_like(words)
    save_file(
        {**weights, 'language_model.lm_head.weight': own}, folder / 'model.safetensors', {'format': 'pt'}
    )
    model = load_model(str(folder))
    assert torch.equal(model.get_output_embeddings().weight, own)
    assert torch.equal(model.get_input_embeddings().weight, words)
