"""FakeLinear: a linear layer whose operands are quantised and whose product is torch's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional

from plena_cosim.golden import Mx

from ..recipe.formats import Format, ModuleFormats
from ..recipe.role_format import ALL_ROLES
from ..weights.packed_weight import PackedWeight, WeightFactory
from ..weights.spec_values import Range
from .hadamard import rotate, rotate_online
from .operand import fake_quantize, fake_quantize_rotated
from .phase import PhasedFormat, in_phase
from .quantized_module import CalibratedModule, Observer
from .static_ranges import static_ranges


class FakeLinear(CalibratedModule):
    """y = Q(Q(x) @ Q(W).T + Q(b)) with the products and sums of torch.

    The weight and bias are quantised once, here. Gradients reach the input straight through.

    Attributes:
        stored, stored_bias: what quantising left of weight and bias, in the dtype of the linear
            layer they come from.
        formats: what quantised them, and what quantises each input.
        input: what quantises each input, maybe another format in each phase.
        rotation: size of the Hadamard blocks that each input is multiplied by first, as the weight
            was; None for none.
        dequant: the weight was not rotated, and each input is rotated back once it is quantised.
        input_ranges, output_ranges: what quantises inputs and outputs where a range is static, else
            None.
        observer: if set, told of each operand before it is multiplied.
    """

    def __init__(
        self,
        linear: nn.Linear,
        formats: ModuleFormats,
        *,
        rotation: int | None = None,
        dequant: bool = False,
        store: WeightFactory = PackedWeight,
        ranges: Mapping[str, Sequence[Range | None]] | None = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.formats, self.rotation, self.dequant = formats, rotation, dequant
        self.input: Format | PhasedFormat | None = formats.data_in
        self.observer: Observer | None = None
        dtype = linear.weight.dtype
        self.stored = store(linear.weight, formats.weight, dtype=dtype)
        self.stored_bias: PackedWeight | None = None
        if linear.bias is not None:
            self.stored_bias = store(linear.bias, formats.bias, dtype=dtype)
        device = linear.weight.device
        self.input_ranges = static_ranges("data_in", formats, ranges, self.in_features, device)
        self.output_ranges = static_ranges("data_out", formats, ranges, self.out_features, device)

    @property
    def weight(self) -> Tensor:
        """Values of the quantised weight, (out, in)."""
        return self.stored.values

    @property
    def bias(self) -> Tensor | None:
        """Values of the quantised bias."""
        return None if self.stored_bias is None else self.stored_bias.values

    @property
    def data_in(self) -> Format | None:
        """The format of an input, now."""
        return in_phase(self.input)

    def operand(self, x: Tensor) -> Tensor:
        """Return what an input becomes before the weight multiplies it."""
        if self.dequant:
            return fake_quantize_rotated(x, self.data_in, self.rotation)
        if self.rotation is not None:
            x = rotate_online(x, self.rotation)
        if self.input_ranges is not None:
            quantised: Tensor = self.input_ranges(x)
            return quantised
        return fake_quantize(x, self.data_in)

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output in the dtype of `x`."""
        operand = self.operand(x)
        if self.observer is not None:
            self.observer(0, operand, x)
        y = functional.linear(operand, self.stored.values, self.bias)
        if self.output_ranges is not None:
            quantised: Tensor = self.output_ranges(y)
            return quantised
        return fake_quantize(y, self.formats.data_out)

    def operand_key(self) -> tuple[object, ...] | None:
        """Return what besides the input decides the operand; None: a range of its own."""
        if self.input_ranges is not None:
            return None
        return self.rotation, self.dequant, self.data_in

    def matrices(self, original: Tensor) -> list[Tensor]:
        """Return the one matrix, (out, in), in the basis of its operand."""
        return [self.in_basis(original)]

    def in_basis(self, x: Tensor) -> Tensor:
        """Return rows (…, in) in the basis in which weight and operand are multiplied."""
        return x if self.rotation is None or self.dequant else rotate(x, self.rotation)

    def to_plain(self, values: Tensor) -> Tensor:
        """Return a weight in the basis of the model."""
        if self.rotation is None or self.dequant:
            return values
        return rotate(values, self.rotation, inverse=True)

    def extra_repr(self) -> str:
        """Show sizes and formats."""
        return describe(self.in_features, self.out_features, self.formats)


def describe(in_features: int, out_features: int, formats: ModuleFormats) -> str:
    """Return sizes and formats on one line.

    Args:
        in_features, out_features: sizes of the layer.
        formats: of its roles.
    """
    named = [
        f"{role}={fmt.name}" + (f"/{fmt.block_size}" if isinstance(fmt, Mx) else "")
        for role in ALL_ROLES
        if (fmt := getattr(formats, role)) is not None
    ]
    return ", ".join([f"in_features={in_features}, out_features={out_features}", *named])
