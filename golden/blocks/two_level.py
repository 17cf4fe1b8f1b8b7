"""Two levels of scale: one in E4M3 for each group, one in fp32 for the whole tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..codec import Codes, decode, encode
from ..float_environment import in_default_environment
from .formats import ScaleForm, TwoLevel
from .rows import Rows, along

Single = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TwoLevelArray:
    """Codes, groups' scales and tensor scale of a quantised array.

    Attributes:
        codes: element codes in the shape of the array.
        scales: codes of the groups' scales; as `codes`, with `axis` shrunk to its groups.
        tensor_scale: t of `ScaleForm`.
        fmt: the format.
        axis: the axis along which groups run, as a non-negative index.
        has_special: whether the input held a NaN or Inf.
    """

    codes: Codes
    scales: Codes
    tensor_scale: np.float32
    fmt: TwoLevel
    axis: int
    has_special: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.codes.shape

    @in_default_environment
    def scale_values(self) -> Single:
        """Return what each group's elements are multiplied by, float32: one fp32 operation."""
        return group_scales(self.scales, self.tensor_scale, self.fmt)

    @in_default_environment
    def dequantize(self, dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
        """Return the values that the codes stand for.

        Args:
            dtype: of the result. Values, products of an element and a `scale_values`, are exact in
                float64; a narrower dtype rounds each once (RNE, IEEE overflow).

        Returns:
            Array in the shape of `codes`. A group with a NaN scale is NaN throughout.
        """
        scales = self.scale_values().astype(np.float64)
        spread = along(self.axis, scales, self.fmt.block_size, self.shape[self.axis])
        with np.errstate(over="ignore", invalid="ignore"):
            values = decode(self.codes, self.fmt.element) * spread
            return np.asarray(values.astype(dtype))


@in_default_environment
def quantize_two_level(
    rows: Rows, fmt: TwoLevel, tensor_amax: np.float32 | None = None
) -> TwoLevelArray:
    """Return an array in groups with a scale each, and a scale for all of it.

    Every step is one IEEE operation of fp32, in the order of `ScaleForm`. An element is
    RN_E2M1(x / scale), the quotient rounded to fp32 first.

    Args:
        rows: the array; float64 values are rounded to fp32 first.
        fmt: the format.
        tensor_amax: what stands for the largest magnitude of the tensor, such as that of
            calibration data: finite, not negative. None: that of `rows`.

    Returns:
        TwoLevelArray. RN saturates, ties go to the even code. t that overflows fp32 is its largest
        number; where t of the second form is 0 so are all scale codes. A group whose scale is 0 has
        elements 0; elsewhere -0 stays -0, and a negative that underflows keeps its sign. A group
        that holds a NaN or Inf has the NaN scale and elements 0; amax of the tensor is that of all
        finite values. Under a smaller `tensor_amax` scales and elements saturate.

    Source: AMD Quark's FP4PerGroupSpec and ScaleQuantSpec.
    """
    with np.errstate(over="ignore", under="ignore"):
        blocks = rows.blocks.astype(np.float32)
    special: npt.NDArray[np.bool_] = np.logical_not(np.isfinite(blocks))
    bad = np.asarray(special.any(axis=-1))
    finite = np.where(special, np.float32(0), blocks)
    group_amax = np.abs(finite).max(axis=-1)
    if tensor_amax is None:
        tensor_amax = group_amax.max(initial=np.float32(0))
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        t = _tensor_scale(tensor_amax, fmt)
        second = _times_tensor_scale(group_amax, t, fmt)
        scales = encode(np.minimum(second, np.float32(fmt.scale.max_value)), fmt.scale)
        values = group_scales(scales, t, fmt)[:, None]
        usable = (values != 0) & ~bad[:, None]
        quotients = np.where(usable, finite / values, np.float32(0))
    largest = np.float32(fmt.element.max_value)
    codes = encode(np.clip(quotients, -largest, largest), fmt.element)
    return TwoLevelArray(
        codes=rows.together(codes),
        scales=rows.together(
            np.where(bad, fmt.scale.nan_code, scales).astype(scales.dtype), fmt.block_size
        ),
        tensor_scale=t,
        fmt=fmt,
        axis=rows.axis,
        has_special=bool(bad.any()),
    )


def _tensor_scale(amax: np.float32, fmt: TwoLevel) -> np.float32:
    """Return t for the largest magnitude of the tensor."""
    largest, largest_scale = np.float32(fmt.element.max_value), np.float32(fmt.scale.max_value)
    if fmt.form is ScaleForm.TWO_STAGE:
        return np.float32(amax / (largest * largest_scale))
    return np.float32(min(largest_scale * (largest / amax), np.finfo(np.float32).max))


def _times_tensor_scale(group_amax: Single, t: np.float32, fmt: TwoLevel) -> Single:
    """Return what is rounded to a group's scale code."""
    scale = group_amax / np.float32(fmt.element.max_value)
    if fmt.form is ScaleForm.TWO_STAGE:
        return scale / t if t else np.zeros_like(scale)
    return scale * t


def group_scales(codes: Codes, t: np.float32, fmt: TwoLevel) -> Single:
    """Return the scale of each group as float32: one fp32 operation.

    Args:
        codes: of the groups' scales.
        t: the tensor's scale.
        fmt: the format, which says whether t multiplies or divides.
    """
    scales = decode(codes, fmt.scale).astype(np.float32)
    with np.errstate(under="ignore"):
        return scales * t if fmt.form is ScaleForm.TWO_STAGE else scales / t
