"""Build a tiny VLM with random weights in the layout of a published one.

The folder it writes is loaded by the same ``from_pretrained`` lines as
``Qwen/Qwen2-VL-7B-Instruct``: config, safetensors, image processor, tokenizer
and chat template.
"""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast

from focus_mmdet.core import prompt
from focus_mmdet.errors import InputError
from focus_mmdet.models.sizing.tiny_families import TINY, TinyFamily
from focus_mmdet.models.sizing.tiny_families.tiny_family import VOCABULARY, TinySizes, text_options
from focus_mmdet.models.vlm.families import FAMILIES

# Letters in runs, digits one by one, spaces apart from digits: as Qwen2 splits.
_PIECES = r'[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+'

TINY_FAMILIES = tuple(TINY)


def _corpus() -> list[str]:
    boxes = [(i, 7 * i % 1000, 500 + i, 999 - i) for i in range(0, 500, 7)]
    lines = [prompt.SUPPORT.format(index=i % 9, box=prompt.format_box(box)) for i, box in enumerate(boxes)]
    lines += [prompt.format_answer(box) for box in boxes]
    return lines + [prompt.TASK, prompt.QUERY.format(index=2), 'user\n', 'assistant\n'] * 20


def build_tokenizer(family: TinyFamily, stop_token: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE of at most ``VOCABULARY`` tokens over the episode wording."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), 'isolated'),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(family.special_tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=stop_token,
        pad_token=family.special_tokens[0],
        additional_special_tokens=list(family.special_tokens[1:]),
        chat_template=family.chat_template,
        model_max_length=32768,
    )


def build_tiny_vlm(
    folder: str | Path,
    family: str = 'qwen3_vl',
    width: int = 128,
    layers: int = 4,
    vision: int = 96,
    seed: int = 0,
) -> Path:
    """Write a tiny random VLM to ``folder``.

    Args:
        folder: Created if missing.
        family: One of ``TINY_FAMILIES``.
        width: Hidden size of the language model, a multiple of 64.
        layers: Its depth.
        vision: Hidden size of the vision tower, a multiple of 32.
        seed: Of the weights; the same seed writes the same bytes.

    Returns:
        The folder.

    Raises:
        InputError: A size that is not such a multiple.
    """
    for name, value, step in (('width', width, 64), ('vision', vision, 32), ('layers', layers, 1)):
        if value < step or value % step:
            raise InputError(f'{name}={value}: give a positive multiple of {step}')
    folder = Path(folder)
    tiny, sizes = TINY[family], TinySizes(width, layers, vision)
    tokenizer = build_tokenizer(tiny, FAMILIES[family].stop_token)
    ids = {token: int(tokenizer.convert_tokens_to_ids(token)) for token in tiny.special_tokens}
    text = text_options(sizes, tokenizer.pad_token_id, tokenizer.eos_token_id)
    config = tiny.config(sizes, ids, text)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = AutoModelForImageTextToText.from_config(config)
        tiny.prepare(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    tiny.processor().save_pretrained(folder)
    return folder
