"""prompts: what requests say becomes token ids."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from ..errors import RequestError
from .fields import ChatFields

_ROLES = ("system", "developer", "user", "assistant", "tool")


class Prompts:
    """The tokenizer of a model, for several threads: one of them at a time."""

    def __init__(self, tokenizer: Any, *, vocabulary: int) -> None:
        """Keep a tokenizer.

        Args:
            tokenizer: of transformers.
            vocabulary: tokens that the model knows.
        """
        self._tokenizer, self._vocabulary = tokenizer, vocabulary
        self._lock = threading.Lock()

    def of_completion(self, given: Any) -> tuple[tuple[int, ...], ...]:
        """Return the prompts of a completion, with the special tokens that the tokenizer adds.

        Args:
            given: a text, texts, token ids, or lists of token ids.

        Raises:
            RequestError: there is none, or a token is not the model's.
        """
        if isinstance(given, str):
            given = [given]
        if given and isinstance(given[0], int):
            given = [given]
        if not given:
            raise RequestError("prompt is an empty list; give a text", param="prompt")
        with self._lock:
            return tuple(
                self._known(
                    self._tokenizer(each, verbose=False)["input_ids"]
                    if isinstance(each, str)
                    else each
                )
                for each in given
            )

    def of_chat(self, fields: ChatFields) -> tuple[int, ...]:
        """Return the prompt that the tokenizer's chat template makes of messages and tools.

        Args:
            fields: of the request.

        Raises:
            RequestError: there is no template, or a message is not one that it takes.
        """
        if not getattr(self._tokenizer, "chat_template", None):
            raise RequestError(
                "this model's tokenizer has no chat template; use /v1/completions",
                param="messages",
                code="no_chat_template",
            )
        messages = [_message(each, number) for number, each in enumerate(fields.messages)]
        tools = None if fields.tool_choice == "none" else fields.tools
        try:
            with self._lock:
                text = self._tokenizer.apply_chat_template(
                    messages, tools=tools, add_generation_prompt=True, tokenize=False
                )
                found = self._tokenizer(text, add_special_tokens=False, verbose=False)
        except Exception as error:  # a template is a program of the model's own
            raise RequestError(
                f"the model's chat template does not take these messages: {error}",
                param="messages",
            ) from None
        return self._known(found["input_ids"])

    def token(self, number: int) -> str:
        """Return the text of one token by itself."""
        with self._lock:
            return str(self._tokenizer.decode([number], clean_up_tokenization_spaces=False))

    def _known(self, ids: Iterable[int]) -> tuple[int, ...]:
        found = tuple(ids)
        foreign = [each for each in found if not 0 <= each < self._vocabulary]
        if foreign:
            raise RequestError(
                f"there is token {foreign[0]} in the prompt, and the model knows 0 … "
                f"{self._vocabulary - 1}",
                param="prompt",
            )
        return found


def _message(given: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a message as templates take it: its content is one text."""
    where = f"messages[{number}]"
    role, content = given.get("role"), given.get("content")
    if role not in _ROLES:
        raise RequestError(
            f"{where}: role is {role!r}; known: {', '.join(_ROLES)}", param="messages"
        )
    if isinstance(content, list):
        parts = [
            each.get("text")
            for each in content
            if isinstance(each, dict) and each.get("type") == "text"
        ]
        if len(parts) != len(content) or not all(isinstance(each, str) for each in parts):
            raise RequestError(
                f"{where}: a part of its content is no text; only parts of type text are read",
                param="messages",
            )
        content = "".join(map(str, parts))
    calls = role == "assistant" and bool(given.get("tool_calls"))
    if content is None and calls:
        content = ""
    if not isinstance(content, str):
        raise RequestError(
            f"{where}: content must be a text, got {type(content).__name__}", param="messages"
        )
    return {**given, "role": "system" if role == "developer" else role, "content": content}
