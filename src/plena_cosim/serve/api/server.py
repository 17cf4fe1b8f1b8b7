"""Server: uvicorn's, which says when it listens and leaves signals to its owner."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from ..engine import Engine
from ..errors import RequestError

_SLACK_S = 5.0
"""What connections get beyond the grace time, to take their last event."""


class Server(uvicorn.Server):
    """Serves an application until a signal comes, and what has begun is whole or broken off."""

    def __init__(
        self, app: FastAPI, engine: Engine, *, grace_s: float, ready: Callable[[], None]
    ) -> None:
        """Make a server that does not listen yet.

        Args:
            app: the routes.
            engine: writes; it is told of the end.
            grace_s: seconds that answers have to their end after a signal.
            ready: called when the server listens.
        """
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=int(grace_s + _SLACK_S) + 1,
            )
        )
        self._engine, self._grace_s, self._ready = engine, grace_s, ready

    def run_on(self, listening: socket.socket) -> None:
        """Serve at a socket until the end; signal handlers are afterwards as they were."""
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            asyncio.run(self._run_on(listening))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def _run_on(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._leave)
        await self.serve(sockets=[listening])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets=sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signals: uvicorn would raise them again at the end."""
        yield

    def _leave(self) -> None:
        """Take on no more requests; what is not whole after the grace time ends with an error."""
        if self.should_exit:
            return
        self._engine.drain()
        error = RequestError(
            "the server is shutting down, and the text is not whole", status=503, code="closing"
        )
        asyncio.get_running_loop().call_later(self._grace_s, self._engine.end_all, error)
        self.should_exit = True
