"""ChatClient: questions to a server of OpenAI's interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plena_cosim.sources import TextSourceError
from plena_cosim.sources.errors import need

from ..record import plain


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a model has answered.

    Attributes:
        message: `content`, and `tool_calls` where there are some, as in the chat API.
        finish_reason: "stop", "length" or another word of the server.
        prompt_tokens, tokens: that were read and written; 0 where the server does not say.
    """

    message: dict[str, Any]
    finish_reason: str
    prompt_tokens: int = 0
    tokens: int = 0

    @property
    def text(self) -> str:
        """What it has written, "" where it has called functions alone."""
        return self.message.get("content") or ""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How a model is to write.

    Attributes:
        max_tokens: of an answer, at most.
        temperature: 0: always the likeliest token.
        top_p: of the likeliest tokens, so much probability is drawn from.
        seed: of what is drawn.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


class ChatClient:
    """A client of one model of a server. Threads may share it."""

    def __init__(
        self, base_url: str, *, key: str | None = None, model: str | None = None, timeout_s: float
    ) -> None:
        """Find out which model is served.

        Args:
            base_url: such as "http://127.0.0.1:8000/v1".
            key: that requests must have; None: there is none.
            model: its name; None: the first that the server names.
            timeout_s: seconds for an answer.

        Raises:
            TextSourceError: the server does not answer, or the package openai is missing.
        """
        self._openai: Any = need("openai", extra="chat")
        self._client = self._openai.OpenAI(
            base_url=base_url, api_key=key or "-", timeout=timeout_s, max_retries=2
        )
        self.base_url = base_url
        self.model = model or self._first_model()

    def _first_model(self) -> str:
        try:
            names = [each.id for each in self._client.models.list()]
        except self._openai.OpenAIError as error:
            raise self._refused(error) from None
        if not names:
            raise TextSourceError(f"{self.base_url} serves no model")
        return str(names[0])

    def setting(self) -> dict[str, Any] | None:
        """Return how the model is quantised, as `plena serve` says; None: another server."""
        try:
            found = self._client.get("/config", cast_to=object)
        except self._openai.OpenAIError:
            return None
        known = ("model", "fingerprint", "numerics", "recipe", "toml")
        if not isinstance(found, dict) or not set(known) <= set(found):
            return None
        return {name: found[name] for name in known}

    def ask(
        self,
        messages: Sequence[Mapping[str, Any]],
        asking: Asking,
        *,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Reply:
        """Return the answer to a conversation.

        Args:
            messages: as the chat API has them.
            asking: how to write.
            tools: functions that may be called.

        Raises:
            TextSourceError: the server refuses, or is gone.
        """
        more = {"tools": list(tools)} if tools else {}
        try:
            found = self._client.chat.completions.create(
                model=self.model,
                messages=list(messages),
                max_tokens=asking.max_tokens,
                temperature=asking.temperature,
                top_p=asking.top_p,
                seed=asking.seed,
                **more,
            )
        except self._openai.OpenAIError as error:
            raise self._refused(error) from None
        choice = found.choices[0]
        message = choice.message.model_dump(include={"content", "tool_calls"}, exclude_none=True)
        return Reply(
            message=plain(message),
            finish_reason=str(choice.finish_reason),
            prompt_tokens=getattr(found.usage, "prompt_tokens", 0),
            tokens=getattr(found.usage, "completion_tokens", 0),
        )

    def _refused(self, error: Exception) -> TextSourceError:
        return TextSourceError(f"{self.base_url}: {error}")
