"""PackedWeight: a quantised weight, kept as the values that torch multiplies and their scales.

Its state dict holds packed codes instead: `codes` and, for blocks, `scales`, both flat bytes; of a
SpecFormat, whose scales are many kinds of numbers, the values themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from plena_cosim import fakequant
from plena_cosim.fakequant import MxTensor, round_once
from plena_cosim.golden import FormatError, Mx

from ..recipe.draws import draw_options
from ..recipe.formats import CastFormat, Format
from ..recipe.spec_format import SpecFormat
from .element_codes import (
    block_codes,
    block_values,
    exact_dtype,
    scalar_codes,
    scalar_values,
    scales_shape,
)
from .packing import pack_bits, packed_bytes, unpack_bits
from .spec_tensor import CalibratedWeight, SpecTensor
from .spec_values import quantize_matrices, quantize_spec, ranges_of


def _has_codes(fmt: Format | None) -> TypeGuard[Mx | CastFormat]:
    """Return whether a weight is saved as codes; else as values."""
    return isinstance(fmt, (Mx, CastFormat))


class PackedWeight(nn.Module):
    """A weight (any number of axes) that was quantised once.

    Attributes:
        values: exact values of the quantised weight where their dtype holds them; None while the
            weight is packed. Made anew whenever they are read, after `keep_packed`.
        scales: uint8 scale codes of its blocks; empty where `fmt` has no blocks.
        codes: None, but while the weight is packed (see `empty`) the bytes that a file holds, and
            then `scales` are such bytes too.
        kept: the bytes of the codes, after `keep_packed` alone.
        shape: of the weight.
        fmt: the format; None for a weight that is stored as it was.
        axis: the axis along which blocks run.
        by_matrix: a SpecFormat is that of each matrix (experts, rows, columns) by itself.
        dtype: of the values; None for the narrowest of float32 and float64 that is exact (without a
            format: that of the weight).
    """

    values: nn.Parameter
    scales: Tensor
    codes: Tensor | None
    kept: Tensor

    def __init__(
        self,
        weight: Tensor,
        fmt: Format | None,
        *,
        axis: int = -1,
        by_matrix: bool = False,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self._describe(weight, fmt, axis, dtype, by_matrix)
        values, scales = weight.detach(), torch.empty(0, dtype=torch.uint8, device=weight.device)
        if isinstance(fmt, CastFormat):
            values = fakequant.cast(values, fmt.fmt, rounding=fmt.rounding)
        elif isinstance(fmt, SpecFormat):
            if by_matrix:
                values = quantize_matrices(values, fmt, self.axis)
            else:
                values = quantize_spec(values, fmt, ranges_of(values, fmt))
        elif fmt is not None:
            draws = draw_options(fmt, values.ndim)
            quantized = fakequant.quantize_mx(values, fmt, axis=axis, **draws)
            values, scales = quantized.values, quantized.scales
            if dtype is None and values.dtype == torch.float64:
                values = values.to(exact_dtype(values, scales, fmt, self.axis))
        self._set_values(values.clone() if fmt is None else values, scales)

    @classmethod
    def empty(
        cls,
        weight: Tensor,
        fmt: Format | None,
        *,
        axis: int = -1,
        by_matrix: bool = False,
        dtype: torch.dtype | None = None,
    ) -> PackedWeight:
        """Return one without values, for a state to be loaded into.

        Its buffers `codes` and `scales` have the shapes of what a file holds, so that a loader may
        fill them one by one; `unpack` then makes values of them. Of `weight` only shape, dtype and
        device count.

        Args:
            weight: any number of axes; it may be on the meta device.
            fmt: the format; None for a weight that is stored as it is.
            axis: along which blocks run.
            by_matrix: a SpecFormat is that of each matrix by itself.
            dtype: of the values; None for the narrowest that is exact.
        """
        stored = cls.__new__(cls)
        nn.Module.__init__(stored)
        stored._describe(weight, fmt, axis, dtype, by_matrix)
        if not _has_codes(fmt):
            stored._set_values(torch.empty_like(weight), weight.new_empty(0, dtype=torch.uint8))
            return stored
        stored.register_parameter("values", None)
        nothing = weight.new_empty(0, dtype=torch.uint8)
        stored.register_buffer("scales", nothing, persistent=False)
        for name, size in stored._packed_sizes().items():
            stored.register_buffer(name, weight.new_empty(size, dtype=torch.uint8))
        return stored

    @classmethod
    def of(cls, quantised: MxTensor) -> PackedWeight:
        """Return one that holds a weight quantised elsewhere, with exact values."""
        stored = cls.__new__(cls)
        nn.Module.__init__(stored)
        stored._describe(quantised.values, quantised.mx, quantised.axis, quantised.values.dtype)
        stored._set_values(quantised.values, quantised.scales)
        return stored

    def with_values(self, quantised: CalibratedWeight) -> PackedWeight:
        """Return one like this that holds a weight quantised elsewhere, to the same format.

        Raises:
            FormatError: it has another shape or another format.
        """
        asked, fmt = self.fmt, quantised.fmt if isinstance(quantised, SpecTensor) else quantised.mx
        if isinstance(asked, Mx) and isinstance(fmt, Mx):
            asked = replace(asked, scale_rule=fmt.scale_rule, rounding=fmt.rounding)
        if (quantised.shape, fmt, quantised.axis) != (self.shape, asked, self.axis):
            name = f"{fmt.name}/{fmt.block_size}" if isinstance(fmt, Mx) else fmt.name
            raise FormatError(
                f"a calibrated weight of shape {tuple(quantised.shape)} in {name} cannot be stored "
                f"as {self.extra_repr()}"
            )
        other = type(self).__new__(type(self))
        nn.Module.__init__(other)
        other.shape, other.fmt, other.axis = self.shape, self.fmt, self.axis
        other.by_matrix, other.dtype = self.by_matrix, self.dtype
        device = self.scales.device
        scales = self.scales[:0] if isinstance(quantised, SpecTensor) else quantised.scales
        other._set_values(quantised.values.to(device), scales.to(device))
        return other

    def __getattr__(self, name: str) -> Any:
        """Return a tensor of the module; values that accelerate took away are made of codes."""
        found: Any = super().__getattr__(name)
        if name == "values" and found is None and self.keeps_codes:
            return self._unkept()
        if name != "values" or found is None or not found.is_meta:
            return found
        hook: Any = self.__dict__.get("_hf_hook")
        for each in getattr(hook, "hooks", (hook,)):
            if getattr(each, "offload", False) and each.weights_map is not None:
                return self._fetched(each.weights_map, each.execution_device, found.dtype)
        return found

    def _fetched(self, held: Mapping[str, Tensor], device: Any, dtype: torch.dtype) -> Tensor:
        """Return the values of a weight whose state lies elsewhere.

        accelerate's hooks would put it back when this module is called, which nobody does.
        """
        if not _has_codes(self.fmt):
            return held["values"].to(device)
        parts = [held[name].to(device) for name in self._packed_sizes()]
        return round_once(self._decode(*parts)[0], dtype)

    def matrix(self, expert: Any) -> Tensor:
        """Return the values of one expert's matrix, of a weight (experts, rows, columns)."""
        return self.values[expert]

    @property
    def is_packed(self) -> bool:
        """Whether codes wait to be unpacked."""
        return self.codes is not None

    @property
    def keeps_codes(self) -> bool:
        """Whether values are made of codes whenever they are read."""
        return "kept" in self._buffers

    def unpack(self) -> None:
        """Turn the bytes in `codes` and `scales` into values; nothing happens a second time."""
        if self.codes is not None:
            self._set_values(*self._decode(self.codes, self.scales))
        self.values.requires_grad_(False)

    def keep_packed(self) -> None:
        """Keep the codes in the place of the values, which are made anew whenever they are read.

        Nothing happens to a weight without codes, or one whose state lies elsewhere.

        Raises:
            FormatError: see `pack`.
        """
        held: Tensor | None = self._parameters.get("values")
        if not _has_codes(self.fmt) or held is None or held.is_meta:
            return
        self.register_buffer("kept", self.pack()["codes"], persistent=False)
        self._kept_dtype = held.dtype
        self.register_parameter("values", None)

    def _unkept(self) -> Tensor:
        fmt = self.fmt
        if isinstance(fmt, CastFormat):
            elements = unpack_bits(self.kept, fmt.fmt.width_bits, self.shape)
            return round_once(scalar_values(elements, fmt.fmt), self._kept_dtype)
        assert isinstance(fmt, Mx)
        elements = unpack_bits(self.kept, fmt.element.width_bits, self.shape)
        return round_once(block_values(elements, self.scales, fmt, self.axis), self._kept_dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> PackedWeight:
        """Convert or move the module; codes give values of the dtype that values would have."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.keeps_codes:
            self._kept_dtype = fn(torch.empty(0, dtype=self._kept_dtype)).dtype
        return self

    def pack(self) -> dict[str, Tensor]:
        """Return the bytes that a file holds, `codes` and for blocks `scales`.

        Raises:
            FormatError: the values were converted to a dtype in which they are no longer what the
                codes stand for.
        """
        if self.codes is not None:
            return {name: getattr(self, name) for name in self._packed_sizes()}
        values = self.values.detach()
        if values.is_meta:
            sizes = self._packed_sizes().items()
            return {name: values.new_empty(size, dtype=torch.uint8) for name, size in sizes}
        packed = self._encode(values)
        again = round_once(self._decode(*packed.values())[0], values.dtype)
        kept = (again == values) | (again.isnan() & values.isnan())
        if isinstance(self.fmt, Mx):
            kept &= ~values.isinf()
        if not bool(kept.all()):
            assert self.fmt is not None
            raise FormatError(
                f"its {values.dtype} values are not those of {self.fmt.name} codes: they were "
                "changed or converted and lost bits; save before converting the model"
            )
        return packed

    def mx(self) -> MxTensor:
        """Return the weight as an operand of the matrix unit.

        Raises:
            FormatError: it has no block format, or its values were converted and lost bits.
        """
        if not isinstance(self.fmt, Mx):
            raise FormatError("a weight without an MX format cannot enter the matrix unit")
        values = self.values  # once: they may be made of codes
        if values.dtype not in (torch.float32, torch.float64):
            raise FormatError(
                f"the weight of an exact layer was converted to {values.dtype} and lost bits; "
                "convert the model before the pass"
            )
        return MxTensor(values=values, scales=self.scales, mx=self.fmt, axis=self.axis)

    def spec_bits(self) -> float:
        """Return what storing a weight in a SpecFormat costs, scales and zero points included."""
        assert isinstance(self.fmt, SpecFormat)
        if not self.by_matrix:
            return self.fmt.bits(self.shape)
        count, rows, columns = self.shape
        matrix = (rows, columns) if self.axis == 2 else (columns, rows)
        return count * self.fmt.bits(matrix)

    def extra_repr(self) -> str:
        """Show shape and format."""
        return f"shape={tuple(self.shape)}, fmt={self.fmt.name if self.fmt else None}"

    def _describe(
        self,
        weight: Tensor,
        fmt: Format | None,
        axis: int,
        dtype: torch.dtype | None,
        by_matrix: bool = False,
    ) -> None:
        self.shape, self.fmt, self.axis = weight.shape, fmt, axis % weight.ndim
        self.by_matrix = by_matrix
        self.dtype = weight.dtype if dtype is None and not _has_codes(fmt) else dtype

    def _set_values(self, values: Tensor, scales: Tensor, dtype: torch.dtype | None = None) -> None:
        dtype = dtype or self.dtype
        rounded = values if dtype is None else round_once(values, dtype)
        keeps = self._buffers.pop("kept", None) is not None
        self.values = nn.Parameter(rounded, requires_grad=False)
        # Not persistent: the state dict has them packed.
        self.register_buffer("scales", scales, persistent=False)
        self.register_buffer("codes", None)
        if keeps:
            self.keep_packed()

    def _packed_sizes(self) -> dict[str, int]:
        """Return the bytes of each part of the packed weight."""
        count = self.shape.numel()
        if isinstance(self.fmt, CastFormat):
            return {"codes": packed_bytes(count, self.fmt.fmt.width_bits)}
        assert isinstance(self.fmt, Mx)
        blocks = scales_shape(self.shape, self.fmt, self.axis).numel()
        return {
            "codes": packed_bytes(count, self.fmt.element.width_bits),
            "scales": packed_bytes(blocks, self.fmt.scale_bits),
        }

    def _encode(self, values: Tensor) -> dict[str, Tensor]:
        fmt = self.fmt
        if isinstance(fmt, CastFormat):
            return {"codes": pack_bits(scalar_codes(values, fmt.fmt), fmt.fmt.width_bits)}
        assert isinstance(fmt, Mx)
        codes = block_codes(values, self.scales, fmt, self.axis)
        return {
            "codes": pack_bits(codes, fmt.element.width_bits),
            "scales": pack_bits(self.scales, fmt.scale_bits),
        }

    def _decode(self, codes: Tensor, scales: Tensor | None = None) -> tuple[Tensor, Tensor]:
        fmt = self.fmt
        if isinstance(fmt, CastFormat):
            elements = unpack_bits(codes, fmt.fmt.width_bits, self.shape)
            return scalar_values(elements, fmt.fmt), codes.new_empty(0)
        assert isinstance(fmt, Mx)
        assert scales is not None
        elements = unpack_bits(codes, fmt.element.width_bits, self.shape)
        blocks = unpack_bits(scales, fmt.scale_bits, scales_shape(self.shape, fmt, self.axis))
        return block_values(elements, blocks, fmt, self.axis), blocks

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        if not _has_codes(self.fmt):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            return
        try:
            packed = self.pack()
        except FormatError as error:
            raise FormatError(f"{prefix.rstrip('.') or 'weight'}: {error}") from None
        destination.update({f"{prefix}{name}": tensor for name, tensor in packed.items()})

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        rest = (local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        if not _has_codes(self.fmt):
            super()._load_from_state_dict(state_dict, prefix, *rest)
            return
        keys = [f"{prefix}{name}" for name in self._packed_sizes()]
        if strict:
            others = (key for key in state_dict if key.startswith(prefix) and key not in keys)
            unexpected_keys.extend(others)
        missing = [key for key in keys if key not in state_dict]
        missing_keys.extend(missing)
        if missing:
            return
        device = self.scales.device if self.is_packed else self.values.device
        parts = [state_dict[key] for key in keys]
        try:
            values, scales = self._decode(
                *(part if device.type == "meta" else part.to(device) for part in parts)
            )
        except FormatError as error:
            error_msgs.append(f"{prefix.rstrip('.')}: {error}")
            return
        dtype = self.dtype
        if not self.is_packed:
            dtype = self.values.dtype  # the module may have been converted since
            if self.dtype is None and dtype in (torch.float32, torch.float64):
                dtype = torch.promote_types(dtype, values.dtype)
        self._set_values(values, scales, dtype)


WeightFactory = Callable[..., PackedWeight]
"""`PackedWeight`, or `PackedWeight.empty` for a module whose weights are loaded later."""
