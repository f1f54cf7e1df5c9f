"""Read a model folder whole: what it lacks, or holds beyond its model, is named."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForImageTextToText

from focus_mmdet.errors import InputError
from focus_mmdet.shipped import find_shipped

#: Endings of what transformers reads.
_READ = ('.json', '.jinja', '.txt', '.safetensors', '.bin')


def model_folder(pretrained: Any) -> str:
    """The folder that ``pretrained`` names: of the working directory, or else one that is shipped.

    Raises:
        InputError: There is none, or it holds no whole model.
    """
    if not isinstance(pretrained, (str, Path)):
        raise InputError(f'model.pretrained={pretrained!r}: give the folder of a VLM')
    folder = find_shipped(str(pretrained))
    adapters = Path(folder) / 'adapter_config.json'
    if adapters.is_file():
        raise InputError(
            f'{adapters}: model.pretrained takes a whole model, and this folder holds adapters of one. Merge '
            'them into it (merge_and_unload of peft), and give the folder of that'
        )
    if (Path(folder) / 'config.json').is_file():
        return folder
    if Path(pretrained).name.startswith(('focus-tiny', 'focus-small')):
        advice = f'It comes with focus_mmdet as checkpoints/{Path(pretrained).name}: restore that folder'
    elif Path(pretrained).name == 'random-small':
        advice = 'Write it: python tools/build_small_vlm.py (see configs/small/focus_small_stage1.py)'
    else:
        advice = (
            'Download it once, for example with\n'
            f'  hf download Qwen/Qwen2-VL-7B-Instruct --local-dir {pretrained}\n'
            'or point the config at your copy: model.pretrained=/path/to/model (--cfg-options)'
        )
    raise InputError(f'model.pretrained: no model folder at {pretrained!r} (no config.json there).\n{advice}')


def load_config(pretrained: str) -> Any:
    """The Hugging Face config of a model folder.

    Raises:
        InputError: No such folder, or none that transformers can read.
    """
    folder = model_folder(pretrained)
    with reading(folder, 'config.json'):
        return AutoConfig.from_pretrained(folder)


@contextmanager
def reading(pretrained: str, what: str) -> Iterator[None]:
    """While transformers reads ``what`` of a model folder.

    Raises:
        InputError: It cannot; the message names the file that is broken, where one is.
    """
    try:
        yield
    except (InputError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # tokenizers raises nothing more special
        for file in sorted(Path(pretrained).iterdir()):
            if file.suffix in _READ:
                check_file(file)
        reason = (str(error).strip().splitlines() or [''])[0]
        raise InputError(
            f'{pretrained}: {what} cannot be read ({type(error).__name__}: {reason}). Compare the folder '
            'with the published model'
        ) from error


def check_file(file: Path) -> None:
    """Raise :class:`InputError` for a file of a model folder that is not what its name says."""
    if not file.is_file():
        return
    with open(file, 'rb') as opened:
        if opened.read(40).startswith(b'version https://git-lfs'):
            raise InputError(
                f'{file}: a pointer of git-lfs in place of the file. Fetch the file: git lfs pull in the '
                'folder, or hf download'
            )
    try:
        if file.suffix == '.json':
            json.loads(file.read_text('utf-8'))
        elif file.suffix == '.safetensors':
            with safe_open(file, 'pt'):
                pass
    except (ValueError, SafetensorError) as error:
        raise InputError(f'{file}: damaged or incomplete ({error}). Download it again') from error


def load_model(pretrained: str, **options: Any) -> Any:
    """The model of a folder, every weight of it from there.

    Args:
        pretrained: Folder written by ``save_pretrained``, or a published one.
        options: Of ``from_pretrained``.

    Raises:
        InputError: The folder cannot be read, or its weights are not those of
            the model that its ``config.json`` describes.
    """
    with reading(pretrained, 'its weights'):
        model, info = AutoModelForImageTextToText.from_pretrained(
            # Other shapes are told below, with all that is wrong.
            pretrained, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )  # fmt: skip
    mismatched = {name for name, *_ in info['mismatched_keys']}
    # Older files hold what is now computed.
    unexpected = {name for name in info['unexpected_keys'] if not name.endswith('rotary_pos_emb.inv_freq')}
    problems = [
        f'{len(names)} {what}, e.g. {min(names)}'
        for what, names in [
            ('weights of the model are not in it', info['missing_keys']),
            ('of its weights are not in the model', unexpected),
            ('weights have another shape', mismatched),
        ]
        if names
    ]
    if problems:
        raise InputError(
            f'model.pretrained {pretrained}: its weights do not fit its config.json: {"; ".join(problems)}. '
            'Download the folder again; a model of your own save whole by save_pretrained, adapters merged '
            '(merge_and_unload of peft)'
        )
    return model
