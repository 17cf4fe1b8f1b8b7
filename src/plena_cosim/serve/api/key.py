"""Keys: who may ask, and from where a server may be asked without one."""

from __future__ import annotations

import hmac
import ipaddress
import os
from pathlib import Path

from starlette.requests import Request

from ..errors import RequestError, ServeError


def read_key(*, env: str | None, file: Path | None, host: str) -> str | None:
    """Return the key that requests must have; None: anybody on this machine may ask.

    Args:
        env: name of a variable of the environment that holds it.
        file: that holds it.
        host: where the server listens.

    Raises:
        ServeError: there is none where one is named, or none is named and others can reach the
            server.
    """
    if env is not None and file is not None:
        raise ServeError("give --api-key-env or --api-key-file, not both")
    if env is None and file is None:
        if not is_loopback(host):
            raise ServeError(
                f"--host {host} lets other machines in, which needs a key: give --api-key-env NAME "
                "or --api-key-file FILE, or listen on 127.0.0.1"
            )
        return None
    if env is not None:
        where, found = f"the variable {env}", os.environ.get(env, "")
    else:
        where = f"the file {file}"
        try:
            assert file is not None
            found = file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ServeError(f"--api-key-file {file} cannot be read: {error}") from None
    if not found.strip():
        raise ServeError(f"{where} holds no key; put one there")
    return found.strip()


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class KeyGuard:
    """Lets requests in that have the key."""

    def __init__(self, key: str | None) -> None:
        self._key = None if key is None else key.encode()

    async def check(self, request: Request) -> None:
        """Raise RequestError where a request has not the key that it needs."""
        if self._key is None:
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), self._key):
            raise RequestError(
                "the key is missing or not the server's; send it as Authorization: Bearer KEY",
                status=401,
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )
