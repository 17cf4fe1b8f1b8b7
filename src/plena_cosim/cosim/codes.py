"""Codes of torch's values as NumPy arrays, and values of codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from plena_cosim.fakequant.cast import native_dtype, value_dtype
from plena_cosim.golden import Minifloat, Scalar, get_format
from plena_cosim.passes.weights.element_codes import scalar_codes, scalar_values

CodeArray = npt.NDArray[Any]

_DTYPES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
_UNSIGNED = {np.uint8: torch.uint8, np.uint16: torch.int16, np.uint32: torch.int32}


def format_of(dtype: torch.dtype) -> Minifloat | None:
    """Return the format of a torch dtype; None for those that no block takes (float64)."""
    name = _DTYPES.get(dtype)
    found = None if name is None else get_format(name)
    return found if isinstance(found, Minifloat) else None


def to_codes(values: Tensor, fmt: Scalar) -> CodeArray:
    """Return the code of each value of a scalar format, in the shape of `values`.

    Args:
        values: values of `fmt` in any dtype that holds them.
        fmt: the format; NaN gets its one NaN.
    """
    values = values.detach()
    native = native_dtype(fmt) if isinstance(fmt, Minifloat) else None
    if native is None or values.dtype == torch.float64:
        return scalar_codes(values, fmt).numpy()
    assert isinstance(fmt, Minifloat)
    held = values.to(native).contiguous()
    wide = native == torch.float32
    bits = held.view(torch.int32 if wide else torch.int16).numpy()
    codes = bits.view(np.uint32 if wide else np.uint16)
    special = held.isnan().numpy()
    return np.where(special, codes.dtype.type(fmt.nan_code), codes) if special.any() else codes


def to_values(codes: CodeArray, fmt: Scalar) -> Tensor:
    """Return the value of each code, in the dtype that holds all values of the format."""
    native = native_dtype(fmt) if isinstance(fmt, Minifloat) else None
    if native is None:
        return scalar_values(torch.from_numpy(np.ascontiguousarray(codes, np.int64)), fmt)
    wide = native == torch.float32
    bits = np.ascontiguousarray(codes, np.uint32 if wide else np.uint16)
    held = torch.from_numpy(bits.view(np.int32 if wide else np.int16)).view(native)
    return held.to(value_dtype(fmt))


def are_values(x: Tensor, fmt: Minifloat) -> bool:
    """Whether every element of a tensor is a value of a format, and so has a code there."""
    back = to_values(to_codes(x, fmt), fmt).to(x.dtype)
    return bool(((back == x) | (back.isnan() & x.isnan())).all())
