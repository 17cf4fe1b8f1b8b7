"""WrittenText: pieces together are the text, and none has to be taken back."""

from __future__ import annotations

import random

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from plena_cosim.serve.written_text import WrittenText

TEXT = "Zoë wrote 漢字 and 🙂🙃, naïvely — then stopped."


@pytest.fixture(scope="module")
def by_bytes() -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({each: n for n, each in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made)


def pieces_of(tokenizer: PreTrainedTokenizerFast, text: str, stop: tuple[str, ...]) -> list[str]:
    """What comes of a text token by token, until a stop text has come."""
    written = WrittenText(tokenizer, tokenizer("A prompt: é")["input_ids"], stop)
    found = []
    for token in tokenizer(text)["input_ids"]:
        found.append(written.add(token))
        if written.stopped:
            break
    return [*found, written.finish()]


def test_pieces_are_the_text(by_bytes: PreTrainedTokenizerFast) -> None:
    pieces = pieces_of(by_bytes, TEXT, ())
    assert "".join(pieces) == TEXT
    assert all("\ufffd" not in piece for piece in pieces)
    assert len(pieces) == len(TEXT.encode()) + 1


@pytest.mark.parametrize("seed", range(20))
def test_a_text_ends_before_the_first_stop_text(
    seed: int, by_bytes: PreTrainedTokenizerFast
) -> None:
    draw = random.Random(seed)
    text = "".join(draw.choices("abc漢", k=40))
    stop = tuple("".join(draw.choices("abc漢", k=draw.randint(1, 4))) for _ in range(3))
    places = [text.find(each) for each in stop if each in text]
    assert "".join(pieces_of(by_bytes, text, stop)) == text[: min(places, default=len(text))]


def test_what_may_become_a_stop_text_waits(by_bytes: PreTrainedTokenizerFast) -> None:
    assert pieces_of(by_bytes, "a##b###", ("###",)) == ["a", "", "", "##b", "", "", "", ""]
    assert pieces_of(by_bytes, "a##", ("###",)) == ["a", "", "", "##"]


def test_bytes_that_are_no_character_do_not_wait_for_ever(
    by_bytes: PreTrainedTokenizerFast,
) -> None:
    written = WrittenText(by_bytes, [])
    (token,) = by_bytes("é")["input_ids"][:1]
    pieces = [written.add(token) for _ in range(4)]
    assert pieces == ["", "", "", "\ufffd" * 4]
    assert written.finish() == ""


def test_words_have_their_spaces_behind_a_prompt(
    maker: object,
) -> None:
    tokenizer = maker.tokenizer  # type: ignore[attr-defined]
    prompt = tokenizer("w1 w2")["input_ids"]
    written = WrittenText(tokenizer, prompt)
    assert [written.add(each) for each in tokenizer("w3 w4")["input_ids"]] == [" w3", " w4"]
