"""Stream: what a request is answered, piece by piece."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue

from .errors import RequestError
from .request import Request
from .served_model import ServedModel


@dataclass(frozen=True, kw_only=True)
class Score:
    """A token and how likely it was.

    Attributes:
        token: its id.
        logprob: natural logarithm of its probability before temperature and top_p, float64; None
            for the first token of a prompt.
        top: the likeliest tokens with theirs, the first of equal ones first.
    """

    token: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of one choice.

    Attributes:
        choice: its number.
        text: what comes next; may be empty while a character or a stop text is not whole.
        scores: of its tokens, where they are wanted.
        tokens: how many were written.
        finish: "stop" or "length" in the last piece.
    """

    choice: int
    text: str
    scores: tuple[Score, ...] = ()
    tokens: int = 0
    finish: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The end of a stream.

    Attributes:
        error: what broke it off; None: all choices are whole.
    """

    error: RequestError | None = None


Event = Piece | Ended


class Stream:
    """The answer to one request. Any thread may read it, or give it up.

    Attributes:
        request: that it answers.
        served: the model that writes, until the end the same one.
        cancelled: whether nobody wants the rest.
        begun, deadline: on time.monotonic's clock.
        first_token: when the first token was there; None: not yet.
        written: tokens so far.
    """

    def __init__(
        self,
        request: Request,
        *,
        served: ServedModel,
        timeout_s: float,
        emit: Callable[[Event], None] | None = None,
    ) -> None:
        """Begin without an answer.

        Args:
            request: that it answers.
            served: the model that writes.
            timeout_s: seconds until it is broken off.
            emit: told of each event by the engine's thread; None: the stream is iterated over.
        """
        self.request, self.served = request, served
        self.begun = time.monotonic()
        self.deadline = self.begun + timeout_s
        self.first_token: float | None = None
        self.cancelled, self.ended, self.written = False, False, 0
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._emit = emit or self._events.put
        self._open = request.choices

    def __iter__(self) -> Iterator[Piece]:
        """Yield pieces as they come; RequestError where the answer is broken off."""
        while isinstance(event := self._events.get(), Piece):
            yield event
        if event.error is not None:
            raise event.error

    def cancel(self) -> None:
        """Give up the rest; the engine frees what it holds before its next pass."""
        self.cancelled = True

    def put(self, piece: Piece) -> None:
        """Give out a piece, and the end behind the last one. For the engine."""
        if self.ended:
            return
        self.written += piece.tokens
        if self.first_token is None and piece.tokens:
            self.first_token = time.monotonic()
        self._emit(piece)
        if piece.finish is not None:
            self._open -= 1
            if not self._open:
                self.end()

    def end(self, error: RequestError | None = None) -> None:
        """Say that nothing more comes. For the engine."""
        if not self.ended:
            self.ended = True
            self._emit(Ended(error=error))
