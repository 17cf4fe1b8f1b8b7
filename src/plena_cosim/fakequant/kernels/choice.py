"""Whether kernels compute a call, or torch's steps."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import torch
from torch import Tensor

SWITCH = "PLENA_KERNELS"
"""Environment variable: "off" leaves everything to torch's steps."""

_TORCH: ContextVar[bool] = ContextVar("plena_torch_steps", default=False)


@contextmanager
def torch_steps() -> Iterator[None]:
    """Let torch's steps compute what this thread calls within, also where numba is installed."""
    token = _TORCH.set(True)
    try:
        yield
    finally:
        _TORCH.reset(token)


def compiled(*tensors: Tensor) -> bool:
    """Return whether kernels compute a call: numba is there, every tensor is in this memory.

    Args:
        tensors: what the call reads and writes.
    """
    return (
        not _TORCH.get()
        and all(
            t.device.type == "cpu" and t.layout == torch.strided and not t.is_neg() for t in tensors
        )
        and _installed()
    )


@cache
def _installed() -> bool:
    return os.environ.get(SWITCH, "") != "off" and importlib.util.find_spec("numba") is not None
