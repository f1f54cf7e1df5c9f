"""Turn torchvision's published MobileNetV2 into a folder that plain transformers loads.

    python tools/model_converters/mobilenet_v2.py mobilenet_v2-b0353104.pth work_dirs/mobilenet-v2

The weights (torchvision's IMAGENET1K_V1) are features for FeatureMatcher; their classifier is left out.
"""

import argparse
import hashlib
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor
from transformers import MobileNetV2Config, MobileNetV2Model
from transformers.models.mobilenet_v2.image_processing_pil_mobilenet_v2 import MobileNetV2ImageProcessorPil

from focus_mmdet.apis.export import check_new
from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from focus_mmdet.errors import InputError

SHA256 = 'b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889'
README = f"""# MobileNetV2 1.0, ImageNet

torchvision's `mobilenet_v2-b0353104.pth` (IMAGENET1K_V1, sha256 {SHA256}) without its classifier, as
`transformers.MobileNetV2Model` loads it. Licence: BSD-3-Clause, Copyright (c) Soumith Chintala 2016. The
weights were trained on ImageNet, which has terms of its own.
"""


def published_weights(path: str) -> dict[str, Tensor]:
    """The weights of torchvision's file.

    Raises:
        InputError: No such file, or not the published one.
    """
    if not Path(path).is_file():
        raise InputError(f'{path}: no such file; give mobilenet_v2-b0353104.pth as torchvision publishes it')
    found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    if found != SHA256:
        raise InputError(
            f'{path}: its sha256 is {found}, but that of mobilenet_v2-b0353104.pth is {SHA256}. '
            'Download it again, or give that file'
        )
    return load_local_checkpoint(path)


def convert(weights: Mapping[str, Tensor]) -> MobileNetV2Model:
    """The model with the weights of torchvision's, block by block in the order in which both apply them.

    Args:
        weights: State dict of ``torchvision.models.mobilenet_v2``, width 1.
    """
    model = MobileNetV2Model(MobileNetV2Config(tf_padding=False, layer_norm_eps=1e-5)).eval()
    theirs = [weight for name, weight in weights.items() if name.startswith('features.')]
    own = model.state_dict()
    model.load_state_dict(dict(zip(own, theirs, strict=True)))
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('weights', help="torchvision's mobilenet_v2-b0353104.pth")
    parser.add_argument('folder', help='new or empty')
    parser.add_argument('--half', action='store_true', help='in half the bytes, as it is shipped')
    args = parser.parse_args()
    check_new(args.folder)
    check_folder('folder', args.folder)
    model = convert(published_weights(args.weights))
    (model.half() if args.half else model).save_pretrained(args.folder)
    MobileNetV2ImageProcessorPil(
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    ).save_pretrained(args.folder)
    precision = 'The weights are rounded to half precision.\n' if args.half else ''
    (Path(args.folder) / 'README.md').write_text(README + precision)
    print(f'wrote {args.folder}')


if __name__ == '__main__':
    run_cli(main)
