"""error_body: errors in the shape that OpenAI's clients read."""

from __future__ import annotations

from typing import Any

from ..errors import RequestError

_TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
    503: "unavailable_error",
    504: "timeout_error",
}


def error_body(error: RequestError) -> dict[str, Any]:
    """Return what an answer says of an error, fit for JSON."""
    usual = "invalid_request_error" if error.status < 500 else "server_error"
    return {
        "error": {
            "message": str(error),
            "type": _TYPES.get(error.status, usual),
            "param": error.param,
            "code": error.code,
        }
    }
