"""Transposed convolutions in two dimensions: products over input channels, added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from plena_cosim.golden import FormatError

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
from .conv2d import describe, require_convolution


class FakeConvTranspose2d(QuantizedModule):
    """y = Q(conv_transpose2d(Q(x), Q(W), Q(b))) with the products and sums of torch.

    The contraction runs over the in / groups channels of a group: blocks of weight and input run
    along them, and an input element is quantised once. What `name = "spec"` says is about the
    tensors themselves: the weight is (in, out / groups, rows, columns), so that its output channels
    are axis 1.

    The weight and bias are quantised once, here. Gradients reach the input straight through.

    Attributes:
        stored: the quantised weight, (out * rows * columns, in / groups) in the order of groups,
            or in its own shape.
        input_ranges, output_ranges: what quantises inputs and outputs where a range is static, else
            None.
        stored_bias: the quantised bias, (out,).
        formats: what quantised them, and what quantises each input.
    """

    def __init__(
        self,
        conv: nn.ConvTranspose2d,
        formats: ModuleFormats,
        *,
        store: WeightFactory = PackedWeight,
        ranges: Mapping[str, Sequence[Range | None]] | None = None,
    ) -> None:
        super().__init__()
        self.formats, self.groups, self.shape = formats, conv.groups, conv.weight.shape
        self.stride = cast(tuple[int, int], conv.stride)
        self.padding = cast(tuple[int, int], conv.padding)
        self.dilation = cast(tuple[int, int], conv.dilation)
        self.output_padding = cast(tuple[int, int], conv.output_padding)
        dtype = conv.weight.dtype
        matrix = matrix_of(conv.weight.detach(), conv.groups, formats)
        self.stored = store(matrix, formats.weight, dtype=dtype)
        device = conv.weight.device
        self.input_ranges = static_ranges("data_in", formats, ranges, 1, device)
        self.output_ranges = static_ranges("data_out", formats, ranges, 1, device)
        self.stored_bias: PackedWeight | None = None
        if conv.bias is not None:
            self.stored_bias = store(conv.bias, formats.bias, dtype=dtype)

    @property
    def weight(self) -> Tensor:
        """Values of the quantised weight, (in, out / groups, rows, columns)."""
        return self.to_plain(self.stored.values)

    @property
    def bias(self) -> Tensor | None:
        """Values of the quantised bias."""
        return None if self.stored_bias is None else self.stored_bias.values

    def to_plain(self, values: Tensor) -> Tensor:
        """Return a weight as the model keeps it."""
        if isinstance(self.formats.weight, SpecFormat):
            return values
        inputs, *others = self.shape
        by_group = values.view(self.groups, *others, inputs // self.groups)
        return by_group.movedim(-1, 1).reshape(self.shape)

    def forward(self, x: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Return the transposed convolution.

        Args:
            x: (batch, in, height, width), or one (in, height, width).
            output_size: height and width of the output, maybe with the axes before them, where
                `output_padding` is not to decide; as in torch.

        Raises:
            FormatError: no padding of the output gives that size.
        """
        if x.ndim == 3:
            one: Tensor = self(x[None], output_size)[0]
            return one
        y = functional.conv_transpose2d(
            self._operand(x),
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self._output_padding(x, output_size),
            groups=self.groups,
            dilation=self.dilation,
        )
        if self.output_ranges is None:
            return fake_quantize(y, self.formats.data_out)
        quantised: Tensor = self.output_ranges(y)
        return quantised

    def _operand(self, x: Tensor) -> Tensor:
        if self.input_ranges is not None:
            quantised: Tensor = self.input_ranges(x)
            return quantised
        if isinstance(self.formats.data_in, SpecFormat):
            return fake_quantize(x, self.formats.data_in)
        by_group = x.reshape(len(x), self.groups, -1, *x.shape[2:])
        return fake_quantize(by_group, self.formats.data_in, axis=2).flatten(1, 2)

    def _output_padding(self, x: Tensor, output_size: Sequence[int] | None) -> tuple[int, int]:
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-2:]
        least = [
            (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
            for size, stride, padding, dilation, kernel in zip(
                x.shape[-2:], self.stride, self.padding, self.dilation, self.shape[-2:], strict=True
            )
        ]
        more = [size - low for size, low in zip(wanted, least, strict=True)]
        if any(not 0 <= each < stride for each, stride in zip(more, self.stride, strict=True)):
            most = [low + stride - 1 for low, stride in zip(least, self.stride, strict=True)]
            raise FormatError(
                f"output_size {wanted} cannot be made of an input {tuple(x.shape[-2:])}; allowed: "
                f"{tuple(least)} … {tuple(most)}"
            )
        rows, columns = more
        return rows, columns

    def extra_repr(self) -> str:
        """Show shape and formats."""
        return describe(self.shape, self.groups, self.formats)


def matrix_of(weight: Tensor, groups: int, formats: ModuleFormats) -> Tensor:
    """Return a weight in the shape in which it is quantised.

    Args:
        weight: (in, out / groups, rows, columns).
        groups: of the convolution.
        formats: of the module.
    """
    if isinstance(formats.weight, SpecFormat):
        return weight
    by_group = weight.reshape(groups, -1, *weight.shape[1:])
    return by_group.movedim(1, -1).flatten(0, -2)


class ConvTranspose2dKind(ModuleKind):
    """torch's own transposed convolution, with fake numerics."""

    name = "ConvTranspose2d"
    priority = 90
    accepts = AcceptedFormats(roles=dict.fromkeys(ROLES, BLOCKS), spec=ALL_ROLES)

    def recognise(self, module: nn.Module) -> bool:
        """Return whether it is torch's class; classes derived from it compute more."""
        return type(module) is nn.ConvTranspose2d

    def check(self, request: BuildRequest, handover: KvHandover) -> None:
        """Refuse exact numerics, and static ranges by channel."""
        require_convolution(request)

    def build(self, request: BuildRequest) -> Built:
        """Return the quantised transposed convolution."""
        assert isinstance(request.module, nn.ConvTranspose2d)
        conv, formats = request.module, request.selector.formats
        made = FakeConvTranspose2d(conv, formats, store=request.store, ranges=request.ranges)
        before = matrix_of(conv.weight.detach(), conv.groups, formats)
        return Built(modules={"": made}, weights=[(before, made.stored)])


KIND = ConvTranspose2dKind()
