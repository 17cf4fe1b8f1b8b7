"""Shapes: OpenAI's objects for what an engine gives, of completions and of chats."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from ..stream import Piece, Score

_LEAST = -9999.0
"""What OpenAI writes for a probability of zero; JSON has no infinity."""


class Shape:
    """The objects of one answer.

    Attributes:
        kind: what its whole object is called.
        chunk: what the objects of a stream are called.
    """

    kind = chunk = "text_completion"
    _prefix = "cmpl"

    def __init__(self, model: str, fingerprint: str, token: Callable[[int], str]) -> None:
        """Give the answer a name of its own.

        Args:
            model: that is named in it.
            fingerprint: of the way in which it computes.
            token: returns the text of a token.
        """
        self._token = token
        self._common = {
            "id": f"{self._prefix}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": fingerprint,
        }
        self._offsets: dict[int, int] = {}

    def whole(self, pieces: Sequence[Piece], *, choices: int, prompt_tokens: int) -> dict[str, Any]:
        """Return the answer as one object.

        Args:
            pieces: all of them.
            choices: how many texts there are.
            prompt_tokens: of all prompts.
        """
        found = []
        for number in range(choices):
            mine = [piece for piece in pieces if piece.choice == number]
            text = "".join(piece.text for piece in mine)
            scores = [score for piece in mine for score in piece.scores]
            finish = mine[-1].finish if mine else None
            found.append(self._choice(number, text, scores, finish))
        written = sum(piece.tokens for piece in pieces)
        return {
            **self._common,
            "object": self.kind,
            "choices": found,
            "usage": usage(prompt_tokens, written),
        }

    def begin(self, choices: int) -> list[dict[str, Any]]:
        """Return the choices of chunks before the first piece."""
        return []

    def part(self, piece: Piece) -> list[dict[str, Any]]:
        """Return the choices of chunks for a piece."""
        if not (piece.text or piece.scores or piece.finish):
            return []
        return [self._choice(piece.choice, piece.text, piece.scores, piece.finish)]

    def chunk_of(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """Return an object of a stream.

        Args:
            choices: of it.
            more: what else it says.
        """
        return {**self._common, "object": self.chunk, "choices": choices, **more}

    def _choice(
        self, number: int, text: str, scores: Sequence[Score], finish: str | None
    ) -> dict[str, Any]:
        return {
            "index": number,
            "text": text,
            "logprobs": self._logprobs(number, scores) if scores else None,
            "finish_reason": finish,
        }

    def _logprobs(self, number: int, scores: Sequence[Score]) -> dict[str, Any]:
        tokens = [self._token(score.token) for score in scores]
        offsets = []
        for token in tokens:
            offsets.append(self._offsets.get(number, 0))
            self._offsets[number] = offsets[-1] + len(token)
        return {
            "tokens": tokens,
            "token_logprobs": [_finite(score.logprob) for score in scores],
            "top_logprobs": [
                None
                if score.logprob is None
                else {self._token(token): _finite(value) for token, value in reversed(score.top)}
                for score in scores
            ],
            "text_offset": offsets,
        }


class ChatShape(Shape):
    """The objects of a chat."""

    kind, chunk = "chat.completion", "chat.completion.chunk"
    _prefix = "chatcmpl"

    def begin(self, choices: int) -> list[dict[str, Any]]:
        """Return the choices that say who speaks."""
        delta = {"role": "assistant", "content": ""}
        return [
            {"index": number, "delta": dict(delta), "logprobs": None, "finish_reason": None}
            for number in range(choices)
        ]

    def part(self, piece: Piece) -> list[dict[str, Any]]:
        """Return the choices of chunks for a piece: its text, and how it ends."""
        found = []
        if piece.text or piece.scores:
            found.append(
                {
                    "index": piece.choice,
                    "delta": {"content": piece.text},
                    "logprobs": self._chat_logprobs(piece.scores),
                    "finish_reason": None,
                }
            )
        if piece.finish is not None:
            end = {"index": piece.choice, "delta": {}, "logprobs": None}
            found.append({**end, "finish_reason": piece.finish})
        return found

    def _choice(
        self, number: int, text: str, scores: Sequence[Score], finish: str | None
    ) -> dict[str, Any]:
        return {
            "index": number,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": self._chat_logprobs(scores),
            "finish_reason": finish,
        }

    def _chat_logprobs(self, scores: Sequence[Score]) -> dict[str, Any] | None:
        if not scores:
            return None
        entries = [
            {
                **self._entry(score.token, score.logprob),
                "top_logprobs": [self._entry(*each) for each in score.top],
            }
            for score in scores
        ]
        return {"content": entries, "refusal": None}

    def _entry(self, number: int, logprob: float | None) -> dict[str, Any]:
        text = self._token(number)
        whole = "\ufffd" not in text  # else the token is a part of a character
        return {
            "token": text,
            "logprob": _finite(logprob),
            "bytes": list(text.encode()) if whole else None,
        }


def usage(prompt_tokens: int, written: int) -> dict[str, int]:
    """Return the numbers of tokens of an answer.

    Args:
        prompt_tokens: of all prompts, each once.
        written: tokens of all choices, ends of text included.
    """
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": written,
        "total_tokens": prompt_tokens + written,
    }


def _finite(logprob: float | None) -> float | None:
    return None if logprob is None else max(logprob, _LEAST)
