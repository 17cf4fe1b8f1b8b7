"""read_fields: every field that is not supported is named."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.serve.api.fields import ChatFields, CompletionFields, read_fields
from plena_cosim.serve.errors import RequestError

PLAIN = {"model": "m", "prompt": "w1"}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "w1"}]}


@pytest.mark.parametrize(
    ("given", "param", "words"),
    [
        ({"functions": []}, "functions", "functions is not supported; leave it out"),
        ({"temprature": 1}, "temprature", "Did you mean 'temperature'"),
        ({"logit_bias": {"3": 1}}, "logit_bias", "not supported, but for {}"),
        ({"presence_penalty": 0.5}, "presence_penalty", "not supported, but for 0"),
        ({"best_of": 2}, "best_of", "not supported"),
        ({"suffix": "end"}, "suffix", "not supported"),
        ({"temperature": 3}, "temperature", "less than or equal to 2; got 3"),
        ({"temperature": "1"}, "temperature", "valid number; got '1'"),
        ({"top_p": -0.1}, "top_p", "greater than or equal to 0"),
        ({"n": 0}, "n", "greater than or equal to 1; got 0"),
        ({"n": True}, "n", "valid integer"),
        ({"seed": 2**64}, "seed", "less than"),
        ({"max_tokens": -1}, "max_tokens", "greater than or equal to 0"),
        ({"stop": ["a", ""]}, "stop", "at least 1 character"),
        ({"stream": "yes"}, "stream", "valid boolean"),
        ({"stream_options": {"chunks": 1}}, "stream_options", "not permitted"),
        ({"logprobs": 21}, "logprobs", "less than or equal to 20"),
        ({"prompt": {"text": "w1"}}, "prompt", "should be"),
        ({"model": None}, "model", "model: Field required"),
    ],
)
def test_what_is_not_supported_is_named(given: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(RequestError) as error:
        read_fields(CompletionFields, {**PLAIN, **given})
    assert words in str(error.value)
    assert (error.value.status, error.value.param) == (400, param)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": []}, "messages"),
        ({"logprobs": 3}, "logprobs"),
        ({"echo": True}, "echo"),
    ],
)
def test_what_chats_do_not_support_is_named(given: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as error:
        read_fields(ChatFields, {**CHAT, **given})
    assert error.value.param == param


def test_what_asks_for_nothing_is_taken() -> None:
    neutral = {"user": "me", "frequency_penalty": 0, "logit_bias": {}, "best_of": 1, "n": None}
    fields = read_fields(CompletionFields, {**PLAIN, **neutral, "temperature": 0})
    assert (fields.n, fields.temperature, fields.sampling.temperature) == (1, 0, 0)
    assert read_fields(ChatFields, {**CHAT, "response_format": {"type": "text"}}).n == 1


@pytest.mark.parametrize("prompt", ["w1", ["w1", "w2"], [1, 2], [[1], [2, 3]]])
def test_a_prompt_is_text_or_tokens(prompt: Any) -> None:
    assert read_fields(CompletionFields, {"model": "m", "prompt": prompt}).prompt == prompt


def test_seeds_differ_where_none_is_given() -> None:
    seeds = {read_fields(CompletionFields, PLAIN).sampling.seed for _ in range(4)}
    assert len(seeds) == 4
    assert read_fields(CompletionFields, {**PLAIN, "seed": -1}).sampling.seed == 2**64 - 1


def test_a_stop_text_may_stand_alone() -> None:
    assert read_fields(CompletionFields, {**PLAIN, "stop": "w9"}).stops == ("w9",)
    assert read_fields(CompletionFields, {**PLAIN, "stop": ["a", "b"]}).stops == ("a", "b")
