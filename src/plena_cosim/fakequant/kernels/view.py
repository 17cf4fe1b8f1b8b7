"""Tensors as arrays over the same memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

_BITS = {torch.bfloat16: torch.int16, torch.float16: torch.int16}


def as_array(x: Tensor) -> np.ndarray[Any, Any]:
    """Return a tensor's memory as an array of its shape; nothing is copied.

    Args:
        x: on the CPU, without a gradient. Of float16 and bfloat16 the array has the bits, int16.
    """
    bits = _BITS.get(x.dtype)
    array: np.ndarray[Any, Any] = (x if bits is None else x.view(bits)).numpy()
    return array
