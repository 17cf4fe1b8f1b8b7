"""read_body: the body of a request, as far as it may be long."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.requests import ClientDisconnect, Request

from ..errors import RequestError

_READ_S = 30.0
"""A body has to be here by then."""
JSON = "application/json"
TOML = "application/toml"


async def read_body(request: Request, *, limit: int) -> bytes:
    """Return a body.

    Args:
        request: of HTTP.
        limit: bytes at most; no more of them are ever held.

    Raises:
        RequestError: it is longer, does not come, or the client has gone.
    """
    too_long = RequestError(
        f"the body has more than {limit} bytes; shorten it, or start the server with a larger "
        "--max-body",
        status=413,
        code="body_too_large",
    )
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_long
    found = bytearray()
    try:
        async with asyncio.timeout(_READ_S):
            async for part in request.stream():
                found += part
                if len(found) > limit:
                    raise too_long
    except TimeoutError:
        raise RequestError(f"the body was not here after {_READ_S:g} s", status=408) from None
    except ClientDisconnect:
        raise RequestError("the client has gone", status=499, code="cancelled") from None
    return bytes(found)


def kind_of(request: Request) -> str:
    """Return what a body is said to be, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, *, limit: int) -> dict[str, Any]:
    """Return the object that a body holds.

    Args:
        request: of HTTP.
        limit: bytes at most.

    Raises:
        RequestError: it is too long, or no object in JSON.
    """
    if kind_of(request) != JSON:
        raise RequestError(
            f"the body is {kind_of(request) or 'of no type'}; send JSON with the header "
            f"Content-Type: {JSON}",
            status=415,
        )
    raw = await read_body(request, limit=limit)
    try:
        found = json.loads(raw, parse_constant=_refuse)
        if b"\\u" in raw:  # half of a pair is no character, and nothing could be said of it
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}", code="not_json") from None
    if not isinstance(found, dict):
        raise RequestError(f"the body must be an object, got {type(found).__name__}")
    return found


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
