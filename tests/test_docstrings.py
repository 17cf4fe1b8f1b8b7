"""Public functions with three parameters or more say what goes in and out, and what goes wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from plena_cosim import fakequant, golden
from plena_cosim.golden import ops

WIDE = [
    function
    for module in (golden, ops, fakequant)
    for function in (getattr(module, name) for name in module.__all__)
    if inspect.isfunction(function) and len(inspect.signature(function).parameters) >= 3
]


@pytest.mark.parametrize("function", WIDE, ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_sections_are_there_or_where_they_stand(function: Callable[..., Any]) -> None:
    text = " ".join((inspect.getdoc(function) or "").split())
    missing = [word for word in ("Args:", "Returns:", "Raises:") if word not in text]
    # Of two functions with the same arguments one may refer to the other.
    refers = "rguments" in text and ("those of `" in text or "; its arguments" in text)
    assert not missing or refers, f"{function.__name__} lacks {', '.join(missing)}"
