"""Image processors that do not fit their model are named."""

import pytest
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from focus_mmdet.errors import InputError
from focus_mmdet.models.sizing.tiny_families import TINY
from focus_mmdet.models.vlm.families import FAMILIES
from focus_mmdet.models.vlm.model_folder import load_config


@pytest.mark.parametrize('family', ['llava_onevision', 'internvl'])
def test_processors_of_other_models_and_sizes_are_refused(vlm_folder, tmp_path, family):
    config = load_config(vlm_folder(family))
    processor = TINY[family].processor()
    FAMILIES[family](config).check_processor(tmp_path, processor)
    with pytest.raises(InputError, match=r'preprocessor_config\.json: a CLIPImageProcessor'):
        FAMILIES[family](config).check_processor(tmp_path, CLIPImageProcessorPil())
    processor.size.height = 32
    with pytest.raises(InputError, match=r'preprocessor_config\.json: size=\(32, 6.\), but vision_config'):
        FAMILIES[family](config).check_processor(tmp_path, processor)
