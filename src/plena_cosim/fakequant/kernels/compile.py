"""Compiling: numba's settings, the same for every kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., Any])


def kernel(function: _F) -> _F:
    """Compile a function when it is first called, for the types that it is given.

    What was compiled is kept beside the source file, or where that cannot be written, in the user's
    cache (`NUMBA_CACHE_DIR` names another folder), or where there is none, nowhere. numba looks at
    the function's own file to see whether it is stale: a kernel and what it calls share a file, or
    the one has a digest of the other's.

    Args:
        function: of arrays and numbers. It runs without Python's lock.
    """
    return kernel_of()(function)


def kernel_of(**settings: Any) -> Callable[[_F], _F]:
    """Return `kernel` with more of numba's settings, such as `fastmath`.

    Args:
        settings: of numba.njit.
    """

    def compiled(function: _F) -> _F:
        try:
            made = numba.njit(nogil=True, cache=True, **settings)(function)
        except RuntimeError:  # no folder can be written
            made = numba.njit(nogil=True, **settings)(function)
        return cast(_F, made)

    return compiled
