"""The default floating-point environment, in which golden computes whatever the thread's own is.

A library built with -ffast-math, or torch.set_flush_denormal, makes a thread flush subnormals to
zero; fesetround changes how it rounds. Golden's float64 steps are exact only where neither is so.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from plena_cosim.ground.errors import PlenaError

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Variables, not literals: Python folds the arithmetic of literals when it compiles.
_ONE, _HALF, _LITTLE, _LEAST_NORMAL = 1.0, 0.5, 2.0**-60, sys.float_info.min

_ENVIRONMENT_BYTES = 256
"""Room for a fenv_t: 32 bytes on x86-64, fewer elsewhere."""


class ExactnessError(PlenaError, RuntimeError):
    """The platform is set up to trade exactness for speed; the message says how to undo it."""


def keeps_subnormals() -> bool:
    """Whether this thread takes and gives subnormal numbers as they are."""
    return _LEAST_NORMAL * _HALF != 0.0


def rounds_to_nearest() -> bool:
    """Whether this thread rounds to nearest, as every program starts out."""
    return _ONE + _LITTLE == _ONE == _ONE - _LITTLE


@contextmanager
def default_environment() -> Iterator[None]:
    """Compute in the default environment of C, then put the thread's own back.

    Raises:
        ExactnessError: the platform's C library cannot do it.
    """
    libm, default = _library()
    saved = ctypes.create_string_buffer(_ENVIRONMENT_BYTES)
    if libm is None or libm.fegetenv(saved):
        raise ExactnessError(_REFUSED)
    libm.fesetenv(default)
    try:
        if not (keeps_subnormals() and rounds_to_nearest()):
            raise ExactnessError(_REFUSED)
        yield
    finally:
        libm.fesetenv(saved)


_REFUSED = (
    "this thread flushes subnormal numbers to zero or does not round to nearest, and the C library "
    "cannot change that; undo it first: torch.set_flush_denormal(False), fesetround(FE_TONEAREST)"
)


def in_default_environment(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function compute in the default environment; where it is set, that costs 0.1 us."""

    @wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if _LEAST_NORMAL * _HALF != 0.0 and _ONE + _LITTLE == _ONE == _ONE - _LITTLE:
            return function(*args, **kwargs)
        with default_environment():
            return function(*args, **kwargs)

    return guarded


@cache
def _library() -> tuple[Any, Any]:
    """Return the C library that has fesetenv, and its FE_DFL_ENV; (None, None) where unknown."""
    for name in (None, ctypes.util.find_library("m")):
        try:
            library = ctypes.CDLL(name)
            library.fegetenv, library.fesetenv  # noqa: B018  (AttributeError where it has none)
        except (AttributeError, OSError, TypeError):
            continue
        if sys.platform == "darwin":
            return library, ctypes.byref(ctypes.c_char.in_dll(library, "_FE_DFL_ENV"))
        if sys.platform == "linux":  # glibc and musl alike
            return library, ctypes.c_void_p(-1)
    return None, None


def enter_default_environment() -> None:
    """Put this thread into the default environment for good, where the C library can do it."""
    libm, default = _library()
    if libm is not None:
        libm.fesetenv(default)
