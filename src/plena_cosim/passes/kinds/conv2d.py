"""Convolutions in two dimensions, as the matrix products that a matrix unit makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from plena_cosim.golden import FormatError, Mx
from plena_cosim.golden.affine import Grouping

from ..modules.module_kind import BLOCKS, AcceptedFormats, BuildRequest, Built, ModuleKind
from ..modules.operand import fake_quantize
from ..modules.quantized_module import QuantizedModule
from ..modules.static_ranges import static_ranges
from ..recipe.formats import ModuleFormats
from ..recipe.recipe import KvHandover
from ..recipe.role_format import ALL_ROLES, ROLES
from ..recipe.spec_format import SpecFormat
from ..weights.packed_weight import PackedWeight, WeightFactory
from ..weights.spec_values import Range
from .linear import require_spec


class FakeConv2d(QuantizedModule):
    """y = Q(patches(x)) @ Q(W).T + Q(b), group by group, with the products and sums of torch.

    The contraction runs over the in / groups channels of a group and over the kernel's rows and
    columns, in this order, as in `weight.flatten(1)` and torch's unfold. Blocks of weight and input
    run along it: each output position has a patch of its own, padding included, and an input
    element is quantised once for each patch that it is in.

    What `name = "spec"` says is about the tensors themselves, not about patches: the weight is
    (out, in / groups, rows, columns), and torch convolves quantised inputs with it.

    The weight and bias are quantised once, here. Gradients reach the input straight through.

    Attributes:
        stored: the quantised weight, (out, in / groups * rows * columns), or in its own shape.
        input_ranges, output_ranges: what quantises inputs and outputs where a range is static, else
            None.
        stored_bias: the quantised bias, (out,).
        formats: what quantised them, and what quantises each input.
    """

    def __init__(
        self,
        conv: nn.Conv2d,
        formats: ModuleFormats,
        *,
        store: WeightFactory = PackedWeight,
        ranges: Mapping[str, Sequence[Range | None]] | None = None,
    ) -> None:
        super().__init__()
        self.formats, self.groups, self.shape = formats, conv.groups, conv.weight.shape
        self.kernel_size = cast(tuple[int, int], conv.kernel_size)
        self.stride = cast(tuple[int, int], conv.stride)
        self.dilation = cast(tuple[int, int], conv.dilation)
        self.mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
        self.margins = list(conv._reversed_padding_repeated_twice)  # left, right, top, bottom
        dtype = conv.weight.dtype
        self.padding = conv.padding if self.mode == "constant" else 0
        self.stored = store(matrix_of(conv.weight.detach(), formats), formats.weight, dtype=dtype)
        device = conv.weight.device
        self.input_ranges = static_ranges("data_in", formats, ranges, 1, device)
        self.output_ranges = static_ranges("data_out", formats, ranges, 1, device)
        self.stored_bias: PackedWeight | None = None
        if conv.bias is not None:
            self.stored_bias = store(conv.bias, formats.bias, dtype=dtype)

    @property
    def weight(self) -> Tensor:
        """Values of the quantised weight, (out, in / groups, rows, columns)."""
        return self.to_plain(self.stored.values)

    @property
    def bias(self) -> Tensor | None:
        """Values of the quantised bias."""
        return None if self.stored_bias is None else self.stored_bias.values

    def to_plain(self, values: Tensor) -> Tensor:
        """Return a weight as the model keeps it."""
        return values.view(self.shape)

    def patches(self, x: Tensor) -> Tensor:
        """Return what the weight multiplies, before it is quantised.

        Args:
            x: (batch, in, height, width).

        Returns:
            (batch, groups, positions, in / groups * rows * columns), positions row by row.
        """
        padded = functional.pad(x, self.margins, mode=self.mode)
        columns = functional.unfold(
            padded, self.kernel_size, dilation=self.dilation, stride=self.stride
        )
        return columns.view(len(x), self.groups, -1, columns.shape[-1]).mT

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of (batch, in, height, width), or of one (in, height, width)."""
        if x.ndim == 3:
            one: Tensor = self(x[None])[0]
            return one
        if not isinstance(self.formats.data_in, SpecFormat):
            return self._out(self._by_patches(x))
        ranges = self.input_ranges
        operand = fake_quantize(x, self.formats.data_in) if ranges is None else ranges(x)
        if self.mode != "constant":
            operand = functional.pad(operand, self.margins, mode=self.mode)
        y = functional.conv2d(
            operand,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return self._out(y)

    def _out(self, y: Tensor) -> Tensor:
        if self.output_ranges is None:
            return fake_quantize(y, self.formats.data_out)
        quantised: Tensor = self.output_ranges(y)
        return quantised

    def _by_patches(self, x: Tensor) -> Tensor:
        operand = fake_quantize(self.patches(x), self.formats.data_in)
        weight = self.stored.values.flatten(1)
        y = operand @ weight.view(self.groups, -1, weight.shape[1]).mT
        y = y.mT.flatten(1, 2)  # (batch, out, positions)
        if self.bias is not None:
            y = y + self.bias[:, None]
        return y.view(*y.shape[:2], *self._positions(x))

    def _positions(self, x: Tensor) -> tuple[int, int]:
        """Return rows and columns of the output."""
        left, right, top, bottom = self.margins
        sizes = x.shape[-2] + top + bottom, x.shape[-1] + left + right
        rows, columns = (
            (size - dilation * (kernel - 1) - 1) // stride + 1
            for size, dilation, kernel, stride in zip(
                sizes, self.dilation, self.kernel_size, self.stride, strict=True
            )
        )
        return rows, columns

    def extra_repr(self) -> str:
        """Show shape and formats."""
        return describe(self.shape, self.groups, self.formats)


def describe(shape: Sequence[int], groups: int, formats: ModuleFormats) -> str:
    """Return shape and formats of a convolution on one line.

    Args:
        shape: of the weight.
        groups: of the convolution.
        formats: of its roles.
    """
    named = [
        f"{role}={fmt.name}" + (f"/{fmt.block_size}" if isinstance(fmt, Mx) else "")
        for role in ALL_ROLES
        if (fmt := getattr(formats, role)) is not None
    ]
    return ", ".join([f"{tuple(shape)}, groups={groups}", *named])


def matrix_of(weight: Tensor, formats: ModuleFormats) -> Tensor:
    """Return a weight in the shape in which it is quantised.

    Args:
        weight: (out, in / groups, rows, columns).
        formats: of the module.
    """
    return weight if isinstance(formats.weight, SpecFormat) else weight.flatten(1)


def require_convolution(request: BuildRequest) -> None:
    """Raise FormatError for exact numerics, and for static ranges by channel or group.

    Args:
        request: for a convolution.
    """
    if request.hw is not None:
        raise FormatError(
            f"{request.where}: a convolution is quantised with fake numerics only; use these, "
            "or exclude it from the recipe"
        )
    require_spec(request)
    formats = request.selector.formats
    for role in ("data_in", "data_out"):
        fmt = getattr(formats, role)
        if isinstance(fmt, SpecFormat) and any(
            stage.range is not None and stage.range_granularity.kind is not Grouping.TENSOR
            for stage in fmt.stages
        ):
            raise FormatError(
                f"{request.where}: {role}: a static range of a convolution is that of the "
                f"tensor; got {fmt.name}"
            )


class Conv2dKind(ModuleKind):
    """torch's own convolution, with fake numerics."""

    name = "Conv2d"
    priority = 80
    accepts = AcceptedFormats(roles=dict.fromkeys(ROLES, BLOCKS), spec=ALL_ROLES)

    def recognise(self, module: nn.Module) -> bool:
        """Return whether it is torch's class; classes derived from it compute more."""
        return type(module) is nn.Conv2d

    def check(self, request: BuildRequest, handover: KvHandover) -> None:
        """Refuse exact numerics, and static ranges by channel."""
        require_convolution(request)

    def build(self, request: BuildRequest) -> Built:
        """Return the quantised convolution."""
        assert isinstance(request.module, nn.Conv2d)
        formats = request.selector.formats
        made = FakeConv2d(request.module, formats, store=request.store, ranges=request.ranges)
        before = matrix_of(request.module.weight.detach(), formats)
        return Built(modules={"": made}, weights=[(before, made.stored)])


KIND = Conv2dKind()
