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
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLConfig
from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLConfig
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLConfig

from focus_mmdet.core import prompt
from focus_mmdet.errors import InputError

SPECIAL_TOKENS = (
    '<|endoftext|>',
    '<|im_start|>',
    '<|im_end|>',
    '<|vision_start|>',
    '<|vision_end|>',
    '<|vision_pad|>',
    '<|image_pad|>',
    '<|video_pad|>',
)
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# Letters in runs, digits one by one, spaces apart from digits: as Qwen2 splits.
_PIECES = r'[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+'

TINY_FAMILIES = ('qwen3_vl', 'qwen2_5_vl', 'qwen2_vl')
PATCH, MERGE = 8, 2
VOCABULARY = 512


def _corpus() -> list[str]:
    boxes = [(i, 7 * i % 1000, 500 + i, 999 - i) for i in range(0, 500, 7)]
    lines = [prompt.SUPPORT.format(index=i % 9, box=prompt.format_box(box)) for i, box in enumerate(boxes)]
    lines += [prompt.format_answer(box) for box in boxes]
    return lines + [prompt.TASK, prompt.QUERY.format(index=2), 'user\n', 'assistant\n'] * 20


def build_tokenizer() -> PreTrainedTokenizerFast:
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
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token='<|im_end|>',
        pad_token='<|endoftext|>',
        additional_special_tokens=list(SPECIAL_TOKENS[1:]),
        chat_template=CHAT_TEMPLATE,
        model_max_length=32768,
    )


def _config(family: str, tokenizer: PreTrainedTokenizerFast, width: int, layers: int, vision: int) -> Any:
    def token(name: str) -> int:
        return int(tokenizer.convert_tokens_to_ids(name))

    head = 32
    text: dict[str, Any] = dict(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // head,
        num_key_value_heads=max(1, width // head // 2),
        max_position_embeddings=32768,
        rope_parameters=dict(rope_type='default', rope_theta=10000.0, mrope_section=[6, 5, 5]),
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    shared: dict[str, Any] = dict(
        image_token_id=token('<|image_pad|>'),
        video_token_id=token('<|video_pad|>'),
        vision_start_token_id=token('<|vision_start|>'),
        vision_end_token_id=token('<|vision_end|>'),
        tie_word_embeddings=True,
    )
    tower: dict[str, Any] = dict(depth=3, num_heads=vision // 32, patch_size=PATCH, spatial_merge_size=MERGE)
    if family == 'qwen2_vl':
        tower.update(embed_dim=vision, hidden_size=width, mlp_ratio=3)
        return Qwen2VLConfig(text_config=text, vision_config=tower, **shared)
    tower.update(hidden_size=vision, intermediate_size=3 * vision, out_hidden_size=width)
    if family == 'qwen2_5_vl':
        tower.update(window_size=4 * PATCH * MERGE, fullatt_block_indexes=[1])
        return Qwen2_5_VLConfig(text_config=text, vision_config=tower, **shared)
    text.update(head_dim=head)
    text['rope_parameters']['mrope_interleaved'] = True
    tower.update(num_position_embeddings=256, deepstack_visual_indexes=[0])
    return Qwen3VLConfig(text_config=text, vision_config=tower, **shared)


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
    tokenizer = build_tokenizer()
    config = _config(family, tokenizer, width, layers, vision)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = AutoModelForImageTextToText.from_config(config)
        if family == 'qwen3_vl':
            # A position signal as strong as the patches': without it "where"
            # must be inferred and a tiny model never leaves the average box.
            torch.nn.init.normal_(model.model.visual.pos_embed.weight, std=0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        merge_size=MERGE,
        size=dict(shortest_edge=(PATCH * MERGE) ** 2, longest_edge=1024 * 1024),
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    ).save_pretrained(folder)
    return folder
