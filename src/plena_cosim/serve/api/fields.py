"""The fields of requests: which there are, their ranges, and one error for what is not one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plena_cosim.ground.did_you_mean import did_you_mean

from ..errors import RequestError
from ..sampler import Sampling

_WITHOUT_EFFECT: Mapping[str, tuple[Any, ...] | None] = {
    "best_of": (1,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "metadata": None,
    "modalities": (["text"],),
    "parallel_tool_calls": (True,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "suffix": ("",),
    "user": None,
}
"""Fields of OpenAI's that are taken where they ask for nothing: these values; None: any."""

_Text = Annotated[str, Field(min_length=1)]
_Stops = Annotated[list[_Text], Field(max_length=16)]
_MOST_TOP = 20
_SEED = 2**63


class StreamOptions(BaseModel):
    """What a stream says besides its texts."""

    model_config = ConfigDict(extra="forbid", strict=True)
    include_usage: bool = False


class Fields(BaseModel):
    """What both kinds of requests may say."""

    model_config = ConfigDict(extra="forbid", strict=True)
    model: str
    n: int = Field(1, ge=1, le=128)
    max_tokens: int | None = Field(None, ge=0)
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, ge=0, le=1)
    seed: int | None = Field(None, ge=-_SEED, lt=_SEED)
    stop: _Text | _Stops = []
    stream: bool = False
    stream_options: StreamOptions | None = None

    @property
    def sampling(self) -> Sampling:
        """How tokens are chosen; without a seed by one that nobody knows."""
        seed = secrets.randbits(62) if self.seed is None else self.seed % (2 * _SEED)
        return Sampling(temperature=self.temperature, top_p=self.top_p, seed=seed)

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end a choice."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the numbers of tokens."""
        return self.stream_options is not None and self.stream_options.include_usage


class CompletionFields(Fields):
    """Of POST /v1/completions."""

    prompt: str | list[str] | list[int] | list[list[int]]
    logprobs: int | None = Field(None, ge=0, le=_MOST_TOP)
    echo: bool = False


class ChatFields(Fields):
    """Of POST /v1/chat/completions."""

    messages: list[dict[str, Any]] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=_MOST_TOP)
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["none", "auto"] = "auto"


_Kind = TypeVar("_Kind", bound=Fields)


def read_fields(kind: type[_Kind], body: Mapping[str, Any]) -> _Kind:
    """Return the fields of a request; null is as if a field were not there.

    Args:
        kind: of request.
        body: the object that was sent.

    Raises:
        RequestError: a field is not supported, lacks, or has a value that it cannot have.
    """
    given = {key: value for key, value in body.items() if value is not None}
    for key in [key for key in given if key not in kind.model_fields]:
        if key not in _WITHOUT_EFFECT:
            hint = did_you_mean(key, kind.model_fields) or "; leave it out"
            raise RequestError(f"{key} is not supported{hint}", param=key, code="unsupported_field")
        neutral = _WITHOUT_EFFECT[key]
        if neutral is not None and given[key] not in neutral:
            raise RequestError(
                f"{key} is not supported, but for {neutral[0]!r}, which changes nothing; leave it "
                "out",
                param=key,
                code="unsupported_value",
            )
        del given[key]
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        # Of a field that may be several things, what is wrong with the one that it nearly is.
        first = max(error.errors(include_url=False), key=lambda each: len(each["loc"]))
        param = str(first["loc"][0]) if first["loc"] else None
        got = "" if first["type"] == "missing" else f"; got {_short(given.get(param or ''))}"
        message = f"{param}: {first['msg']}{got}"
        raise RequestError(message, param=param, code="invalid_value") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
