"""Whatever a model wants, its answer can be read."""

import lzma
import random
from functools import cache

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from focus_mmdet.core.prompt import ABSENT_ANSWER, format_answer, parse_answer
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.grammar import AnswerGrammar
from tests.conftest import ROOT, random_batch

#: Joins digits, a space with what follows, and the end with a digit.
JOINING = [
    '<stop>', '<pad>', '<answer>[', '<answer>', 'none', '\u2581', ',', ']', '</answer>', '9]</', 'answer',
    '>', '12', '345', '\u258112', ',\u25817', '\u2581none', '[', '<', '/', 'x', *'0123456789',
]  # fmt: skip


def joining_tokenizer() -> PreTrainedTokenizerFast:
    """Of whole words, as SentencePiece writes spaces."""
    tokenizer = Tokenizer(
        models.Unigram([(piece, -float(len(JOINING) - len(piece))) for piece in JOINING], 0)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme='never', split=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token='<stop>', pad_token='<pad>')


def real_tokenizer() -> PreTrainedTokenizerFast:
    packed = (ROOT / 'tests/data/qwen2_tokenizer/tokenizer.json.xz').read_bytes()
    tokenizer = Tokenizer.from_buffer(lzma.decompress(packed))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token='<|im_end|>')


@cache
def grammar_of(build, may_be_absent, largest=9999):
    """A tokenizer, its stop token, and its grammar for a model of a few ids more."""
    tokenizer = build()
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    stop = tokenizer.eos_token_id
    vocabulary = len(tokenizer) + 3
    grammar = AnswerGrammar.build(tokenizer, may_be_absent, largest, stop, special, vocabulary)
    return tokenizer, stop, grammar


def written(grammar, stop_id, seed):
    """The ids of an answer whose every choice is random."""
    chooser = random.Random(seed)
    state, chosen = torch.zeros(1, dtype=torch.long), []
    while not bool(grammar.ended[state]):
        chosen.append(chooser.choice(grammar.allowed[state[0]].nonzero().flatten().tolist()))
        _, _, state = grammar.go_on(state, torch.tensor(chosen[-1:]))
    assert len(chosen) <= grammar.steps
    ids, was_chosen = grammar.whole(chosen)
    assert [index for index, free in zip(ids, was_chosen, strict=True) if free] == chosen
    assert ids[-1] == stop_id
    return ids[:-1]


@pytest.mark.parametrize('may_be_absent', [False, True])
@pytest.mark.parametrize('build', [joining_tokenizer, real_tokenizer])
def test_every_answer_can_be_read(build, may_be_absent):
    tokenizer, stop, grammar = grammar_of(build, may_be_absent)
    answers = set()
    for seed in range(40):
        text = ''.join(tokenizer.convert_ids_to_tokens(written(grammar, stop, seed)))
        text = text.replace('\u2581', ' ').replace('\u0120', ' ')
        answer = parse_answer(text, may_be_absent)
        assert answer.well_formed, text
        assert answer.reason in (None, 'empty_box')
        answers.add(text)
    assert len(answers) > 10
    assert (ABSENT_ANSWER in answers) == may_be_absent


@pytest.mark.parametrize('build', [joining_tokenizer, real_tokenizer])
def test_what_models_are_taught_may_be_written(build):
    tokenizer, stop, grammar = grammar_of(build, True)
    for answer in [format_answer(box) for box in [(0, 12, 345, 9), (7, 0, 1000, 999), (120, 5, 9999, 12)]]:
        ids = [*tokenizer(answer, add_special_tokens=False)['input_ids'], stop]
        assert ids[: len(grammar.opening)] == grammar.opening
        state = 0
        for index in ids[len(grammar.opening) :]:
            assert grammar.allowed[state, index], (answer, tokenizer.convert_ids_to_tokens(index))
            state = int(grammar.following[state, index])


@pytest.mark.parametrize('build', [joining_tokenizer, real_tokenizer])
@pytest.mark.parametrize('largest', [7, 255, 1000])
def test_coordinates_reach_the_largest_and_no_further(build, largest):
    tokenizer, _, grammar = grammar_of(build, False, largest)

    def is_allowed(*box):
        state = 0
        for index in tokenizer(format_answer(box), add_special_tokens=False)['input_ids'][
            len(grammar.opening) :
        ]:
            if not grammar.allowed[state, index]:
                return False
            state = int(grammar.following[state, index])
        return True

    numbers = sorted({0, 1, 6, 7, 8, 9, 10, 25, 99, 100, 254, 255, 256, 300, 999, 1000, 1001, 1010, 2000})
    for number in numbers:
        assert is_allowed(0, number, 5, number) == (number <= largest), number


def test_what_follows_three_digits_of_thousandths_is_not_asked():
    tokenizer, _, grammar = grammar_of(real_tokenizer, False, 1000)
    chosen = [*'123', *'100', ',', *'7', ',', *'999']
    state = torch.zeros(1, dtype=torch.long)
    for token in chosen:
        _, _, state = grammar.go_on(state, torch.tensor(tokenizer.convert_tokens_to_ids([token])))
    assert bool(grammar.ended[state])


def test_a_tokenizer_that_lacks_digits_is_refused():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({'<stop>': 0, 'none': 1}, '<stop>')), eos_token='<stop>'
    )
    with pytest.raises(InputError, match='grammar=False'):
        AnswerGrammar.build(tokenizer, False, 1000, 0, [], 2)


def test_a_model_that_wants_nonsense_still_answers_with_a_box(make_detector):
    detector = make_detector(grammar=True).eval()
    speech = detector.data_preprocessor.encoder
    with torch.no_grad():
        bias = torch.full((512,), -20.0)
        bias[speech.tokenizer.convert_tokens_to_ids('e')] = 20.0
        detector.bbox_head.vlm.model.get_output_embeddings().bias = torch.nn.Parameter(bias)
    samples = detector.test_step(random_batch(1, [1, 2]))
    assert all(speech.read(sample.answer).well_formed for sample in samples)
