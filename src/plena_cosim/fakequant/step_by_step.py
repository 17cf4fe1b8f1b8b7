"""What every public function of this package does first: see to it that its steps run as written.

A compiler that fuses steps may drop a rounding between them (inductor removes a cast to bfloat16
and back), and a tracer freezes choices that depend on values.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch

from plena_cosim.golden.float_environment import ExactnessError, rounds_to_nearest

_P = ParamSpec("_P")
_R = TypeVar("_R")

_REASON = (
    "plena_cosim rounds step by step, and a compiler may fuse roundings away: what it quantises "
    "runs outside of compiled graphs; compile without fullgraph=True"
)


def uncompiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Keep a function, and all that it calls, out of compiled graphs.

    In torch.compile each call is a graph break, an error that says so under fullgraph=True.
    """

    @wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        # Dynamo is slow to import, and before someone did there is nothing to be kept out of.
        if "torch._dynamo" in sys.modules:
            called: Callable[_P, _R] = _out_of_reach(guarded)
            return called(*args, **kwargs)
        return function(*args, **kwargs)

    # What torch.compiler.disable would set, so that Dynamo does not trace a call.
    for name, value in {"": True, "_msg": _REASON, "_recursive": True}.items():
        setattr(guarded, f"_torchdynamo_disable{name}", value)
    return guarded


def step_by_step(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Keep a function out of compiled graphs, and refuse threads that do not round to nearest.

    It costs about a microsecond. ExactnessError under torch.jit.trace.
    """

    @wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if not rounds_to_nearest():
            raise ExactnessError(
                "this thread does not round to nearest; call fesetround(FE_TONEAREST) first"
            )
        if torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
            raise ExactnessError(
                f"{function.__name__} chooses its steps by the values that it is given, which "
                "torch.jit.trace would freeze; call it outside of the traced function"
            )
        return function(*args, **kwargs)

    return uncompiled(checked)


_disabled: dict[Any, Callable[..., Any]] = {}  # functools.cache makes Dynamo warn


def _out_of_reach(guarded: Any) -> Callable[..., Any]:
    """Return what a guard calls, out of Dynamo's reach, and keep the guard itself out of it."""
    found = _disabled.get(guarded)
    if found is not None:
        return found
    skip_code = getattr(sys.modules["torch._dynamo"].eval_frame, "skip_code", None)
    if skip_code is not None:  # else Dynamo compiles guards to nothing, and is slower by that
        skip_code(guarded.__code__)
    made: Callable[..., Any] = torch.compiler.disable(  # type: ignore[no-untyped-call]
        guarded.__wrapped__
    )
    return _disabled.setdefault(guarded, made)
