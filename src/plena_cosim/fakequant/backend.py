"""Backend: who computes this package's operations: torch, or what stands in for it.

Every public operation asks for the backend in force, once a call. There is none unless somebody has
put one there with `computed_by`, and then torch computes. What calls the operations (modules,
attention) knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from .step_by_step import step_by_step

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Backend(Protocol):
    """What computes operations in the place of torch."""

    def compute(self, exact: Callable[..., _R], /, *args: Any, **kwargs: Any) -> _R:
        """Return the results of one call of an operation.

        Args:
            exact: the operation by torch; its `__name__` is that of the operation. What it calls in
                its turn is torch's.
            *args, **kwargs: of the call.

        Returns:
            What `exact` would return, of the same types and shapes.
        """
        ...


_BACKEND: ContextVar[Backend | None] = ContextVar("plena_backend", default=None)
_PART: ContextVar[str] = ContextVar("plena_part", default="")


@contextmanager
def computed_by(backend: Backend | None) -> Iterator[None]:
    """Let a backend compute every operation that this thread calls within; None: torch."""
    token = _BACKEND.set(backend)
    try:
        yield
    finally:
        _BACKEND.reset(token)


def backend() -> Backend | None:
    """Return the backend in force; None: torch computes, also within an operation."""
    return _BACKEND.get()


@contextmanager
def part_of(name: str) -> Iterator[None]:
    """Say to a backend what the operations within are a part of, such as "rope"."""
    token = _PART.set(name)
    try:
        yield
    finally:
        _PART.reset(token)


def part() -> str:
    """Return what operations are a part of now; "" where nobody has said so."""
    return _PART.get()


def operation(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Mark a public operation: `step_by_step`, and computed by the backend in force.

    A backend knows nothing of an `out`, which then takes what it returned.
    """

    @wraps(function)
    def computed(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        stands_in = _BACKEND.get()
        if stands_in is None:
            return function(*args, **kwargs)
        out = kwargs.pop("out", None)
        with computed_by(None):
            result = stands_in.compute(function, *args, **kwargs)
        return result if out is None else out.copy_(result)  # type: ignore[attr-defined]

    return step_by_step(computed)
