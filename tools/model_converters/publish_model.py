"""Write a checkpoint without what only resuming needs, named after its contents.

    python tools/model_converters/publish_model.py work_dirs/focus_stage2/iter_500.pth focus-7b

writes focus-7b-1a2b3c4d.pth: weights and meta data, and the first eight digits of
the file's sha256. At the end of a run MMEngine does nearly the same by itself:
default_hooks.checkpoint.published_keys="['meta','state_dict']".
"""

import argparse
import hashlib
import io
from pathlib import Path

import torch

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.engine.checkpoints.atomic_backend import AtomicLocalBackend
from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from focus_mmdet.errors import InputError


def publish(checkpoint: str, out: str) -> Path:
    """Write the weights and meta data of ``checkpoint``; returns the new file.

    Raises:
        InputError: Not a checkpoint of ``tools/train.py``.
    """
    content = load_local_checkpoint(checkpoint)
    if 'state_dict' not in content or not isinstance(content.get('meta'), dict):
        raise InputError(f'{checkpoint}: not a checkpoint written by tools/train.py')
    kept = {key: content[key] for key in ('meta', 'state_dict')}
    kept['state_dict']._metadata[''].pop('filename')
    # The config of the run names the folders of this machine.
    kept['meta'] = {key: value for key, value in kept['meta'].items() if key != 'cfg'}
    buffer = io.BytesIO()
    torch.save(kept, buffer)
    digits = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    path = Path(f'{out.removesuffix(".pth")}-{digits}.pth')
    AtomicLocalBackend().put(buffer.getvalue(), path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('checkpoint')
    parser.add_argument('out', help='name of the file to write; -DIGITS.pth is appended')
    args = parser.parse_args()
    check_folder('out', Path(args.out).absolute().parent)
    print(f'wrote {publish(args.checkpoint, args.out)}')


if __name__ == '__main__':
    run_cli(main)
