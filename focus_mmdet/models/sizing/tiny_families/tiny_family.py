"""What a tiny model of a family is built from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Tokens of every tiny model.
VOCABULARY = 512
#: Width of an attention head.
HEAD = 32


@dataclass(frozen=True)
class TinySizes:
    """How large a tiny model is.

    Attributes:
        width: Hidden size of the language model, a multiple of 64.
        layers: Its depth.
        vision: Hidden size of the vision tower, a multiple of 32.
    """

    width: int
    layers: int
    vision: int


@dataclass(frozen=True)
class TinyFamily:
    """A tiny random model in the layout of a family's published ones.

    Attributes:
        special_tokens: Of its tokenizer, the padding token first.
        chat_template: As the published one writes user turns.
        config: Hugging Face config, from the sizes, the ids of the special
            tokens by name, and :func:`text_options`.
        processor: Image processor, for images of some 64 pixels.
        prepare: Changes the random model before it is written.
    """

    special_tokens: tuple[str, ...]
    chat_template: str
    config: Callable[[TinySizes, dict[str, int], dict[str, Any]], Any]
    processor: Callable[[], Any]
    prepare: Callable[[Any], None] = lambda model: None


def text_options(sizes: TinySizes, pad_id: int, stop_id: int) -> dict[str, Any]:
    """Options of a Llama-like text config."""
    return dict(
        vocab_size=VOCABULARY,
        hidden_size=sizes.width,
        intermediate_size=3 * sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.width // HEAD,
        num_key_value_heads=max(1, sizes.width // HEAD // 2),
        max_position_embeddings=32768,
        rope_parameters=dict(rope_type='default', rope_theta=10000.0),
        tie_word_embeddings=True,
        pad_token_id=pad_id,
        bos_token_id=None,
        eos_token_id=stop_id,
    )
