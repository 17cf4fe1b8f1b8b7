"""Answer: an engine's stream in an event loop, whole or as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ..engine import Engine
from ..errors import RequestError
from ..request import Request
from ..stream import Event, Piece, Stream
from .error_body import error_body
from .metrics import Metrics
from .shapes import Shape, usage


class Answer:
    """The answer to one request of HTTP."""

    def __init__(self, engine: Engine, request: Request, metrics: Metrics, path: str) -> None:
        """Hand the request to the engine.

        Args:
            engine: that writes.
            request: what is to be written.
            metrics: are told how it ended.
            path: of HTTP, for them.

        Raises:
            RequestError: the engine does not take it on.
        """
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._metrics, self._path, self._status = metrics, path, 499
        self.stream: Stream = engine.submit(request, emit=self._tell)

    def _tell(self, event: Event) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody reads any more
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def pieces(self) -> AsyncGenerator[Piece]:
        """Yield pieces as they come; RequestError where the answer is broken off."""
        while isinstance(event := await self._events.get(), Piece):
            yield event
        self._status = 200 if event.error is None else event.error.status
        if event.error is not None:
            raise event.error

    def close(self) -> None:
        """Give up what has not been read, and count the request."""
        self.stream.cancel()
        self._metrics.ended(self._path, self._status, self.stream)

    async def whole(self, http: HttpRequest, shape: Shape) -> dict[str, Any]:
        """Return the answer as one object.

        Args:
            http: the request; where its client goes, the answer is given up.
            shape: of the object.

        Raises:
            RequestError: the answer is broken off, or the client has gone.
        """
        work = asyncio.ensure_future(self._gathered())
        gone = asyncio.ensure_future(_disconnected(http))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise RequestError("the client has gone", status=499, code="cancelled")
            pieces = work.result()
            self.close()
            choices = self.stream.request.choices
            return shape.whole(pieces, choices=choices, prompt_tokens=self._read())
        finally:
            self.stream.cancel()
            for task in (work, gone):
                task.cancel()
                with suppress(asyncio.CancelledError, RequestError):
                    await task

    async def events(self, shape: Shape, *, include_usage: bool) -> AsyncIterator[str]:
        """Yield server-sent events; an error is the last one, and no [DONE] follows it.

        Args:
            shape: of their objects.
            include_usage: whether the last object has the numbers of tokens.
        """
        empty = {"usage": None} if include_usage else {}
        try:
            for choice in shape.begin(self.stream.request.choices):
                yield _event(shape.chunk_of([choice], **empty))
            async with aclosing(self.pieces()) as pieces:
                async for piece in pieces:
                    for choice in shape.part(piece):
                        yield _event(shape.chunk_of([choice], **empty))
        except RequestError as error:
            yield _event(error_body(error))
            return
        if include_usage:
            counts = usage(self._read(), self.stream.written)
            yield _event(shape.chunk_of([], usage=counts))
        yield "data: [DONE]\n\n"

    async def _gathered(self) -> list[Piece]:
        return [piece async for piece in self.pieces()]

    def _read(self) -> int:
        return sum(map(len, self.stream.request.prompts))


class EventResponse(StreamingResponse):
    """Server-sent events of an answer, which is given up where they are not wanted any more."""

    def __init__(self, answer: Answer, shape: Shape, *, include_usage: bool) -> None:
        """Begin with nothing sent.

        Args:
            answer: that is sent.
            shape: of the objects.
            include_usage: whether the last object has the numbers of tokens.
        """
        super().__init__(
            answer.events(shape, include_usage=include_usage),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache"},
        )
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, as long as there is a client."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.close()


async def _disconnected(http: HttpRequest) -> None:
    """Return when a client has gone; its body has been read."""
    while (await http.receive())["type"] != "http.disconnect":
        pass


def _event(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f"data: {text}\n\n"
