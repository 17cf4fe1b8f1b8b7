"""What is wrong with a server, or with a request to it."""

from __future__ import annotations

from collections.abc import Mapping

from plena_cosim.ground.errors import PlenaError


class ServeError(PlenaError, RuntimeError):
    """A server that cannot be started; the message says what to do."""


class RequestError(PlenaError, ValueError):
    """A request that gets no answer, or not the rest of it.

    Attributes:
        status: of HTTP.
        param: the field that it is about; None: the request as a whole.
        code: a word for programs.
        headers: of the answer.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code
        self.headers = dict(headers or {})
