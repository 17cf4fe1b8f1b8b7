"""QuantNorm: RMSNorm or LayerNorm on quantised operands."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from plena_cosim import fakequant
from plena_cosim.golden import FormatError, HardwareConfig

from ..recipe.formats import CastFormat, ModuleFormats
from ..weights.packed_weight import PackedWeight, WeightFactory
from .bare import bare
from .operand import fake_quantize
from .quantized_module import QuantizedModule


class QuantNorm(QuantizedModule):
    """A normalisation over the last axis, with a gain and maybe a bias.

    Fake numerics: torch computes on the quantised input and gain. Exact numerics: every step is
    golden.ops.rms_norm's or golden.ops.layer_norm's in the machine's vector format.

    Attributes:
        formats: of input and gain; None leaves them in the model's (or the machine's) precision.
        offset: what the model's own weight is less than the gain.
        eps: what is added to the mean square.
        centred: whether the mean is taken away first (LayerNorm).
    """

    def __init__(
        self,
        norm: nn.Module,
        formats: ModuleFormats,
        *,
        hw: HardwareConfig | None,
        where: str,
        store: WeightFactory = PackedWeight,
    ) -> None:
        super().__init__()
        self.formats, self.hw = formats, hw
        self.centred = isinstance(norm, nn.LayerNorm)
        gain, bias = gain_and_bias(norm, where)
        self.eps = epsilon(norm, gain.dtype)
        self.offset = gain_offset(norm, where)
        dtype = gain.dtype if hw is None else None
        vector = None if hw is None else CastFormat(fmt=hw.vector_format)
        self.stored = store(gain, formats.weight or vector, axis=-1, dtype=dtype)
        self.stored_bias = None
        if bias is not None:
            self.stored_bias = store(bias, formats.bias or vector, axis=-1, dtype=dtype)

    @property
    def weight(self) -> Tensor:
        """The quantised gain: of a model that stores the gain less one, the gain itself."""
        return self.stored.values

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised rows in the dtype of `x`."""
        x_in = fake_quantize(x, self.formats.data_in)
        bias = None if self.stored_bias is None else self.stored_bias.values
        if self.hw is not None:
            return self._exact(x_in, bias).to(x.dtype)
        rows = x_in.float() if x_in.dtype != torch.float64 else x_in
        if self.centred:
            rows = rows - rows.mean(-1, keepdim=True)
        rows = rows * torch.rsqrt(rows.square().mean(-1, keepdim=True) + self.eps)
        rows = rows * self.weight.to(rows.dtype)
        return (rows if bias is None else rows + bias.to(rows.dtype)).to(x.dtype)

    @torch.no_grad()
    def _exact(self, x: Tensor, bias: Tensor | None) -> Tensor:
        assert self.hw is not None
        vector, reduction, lanes = (
            self.hw.vector_format,
            self.hw.reduction_format,
            self.hw.vlen,
        )
        rows, gain = fakequant.cast(x, vector), fakequant.cast(self.weight, vector)
        eps = fakequant.cast(torch.tensor(self.eps, dtype=torch.float64, device=x.device), vector)
        if not self.centred:
            return fakequant.rms_norm(rows, gain, eps, vector, reduction, lanes=lanes)
        beta = torch.zeros_like(gain) if bias is None else fakequant.cast(bias, vector)
        return fakequant.layer_norm(rows, gain, beta, eps, vector, reduction, lanes=lanes)

    def to_plain(self, values: Tensor) -> Tensor:
        """Return the model's own weight for a gain."""
        return values - self.offset if self.offset else values

    def plain_state(self) -> dict[str, Tensor]:
        """Return the weights of the norm that this one stands for."""
        bias = self.stored_bias
        state = {"weight": self.to_plain(self.weight.detach())}
        return state if bias is None else {**state, "bias": bias.values.detach()}

    def extra_repr(self) -> str:
        """Show size, epsilon and formats."""
        named = [
            f"{role}={fmt.name}"
            for role, fmt in (("weight", self.formats.weight), ("data_in", self.formats.data_in))
            if fmt is not None
        ]
        machine = [] if self.hw is None else [f"vector={self.hw.vector_format.name}"]
        return ", ".join([f"{tuple(self.weight.shape)}, eps={self.eps}", *named, *machine])


def epsilon(norm: nn.Module, dtype: torch.dtype) -> float:
    """Return what a norm adds to the mean square of inputs of a dtype."""
    given = getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
    return torch.finfo(dtype).eps if given is None else float(given)  # as torch.nn.RMSNorm


def gain_and_bias(norm: nn.Module, where: str) -> tuple[Tensor, Tensor | None]:
    """Return a norm's gain, whichever way the model stores it, and its bias.

    Raises:
        FormatError: the module does not normalise as RMSNorm or LayerNorm do.
    """
    offset, weight = gain_offset(norm, where), getattr(norm, "weight", None)
    if isinstance(norm, nn.LayerNorm):
        if weight is None:
            return torch.ones(norm.normalized_shape), None
        return weight.detach(), None if norm.bias is None else norm.bias.detach()
    assert isinstance(weight, Tensor)
    if not offset:
        return weight.detach(), None
    # Models add the one in float32 at least: bfloat16 would round small gains away.
    wide = torch.promote_types(weight.dtype, torch.float32)
    return weight.detach().to(wide) + offset, None


def gain_offset(norm: nn.Module, where: str) -> float:
    """Return 0 for a norm that stores its gain, 1 for one that stores the gain less one.

    A test vector tells: with a stored zero, the former gives zero. It runs in float32 on the
    CPU, whatever the device and dtype that a model is just being built in.

    Raises:
        FormatError: the module does not normalise as RMSNorm or LayerNorm do.
    """
    if isinstance(norm, nn.LayerNorm):
        if len(norm.normalized_shape) != 1:
            raise FormatError(f"{where}: only norms over the last axis can be quantised")
        return 0.0
    weight = norm.weight
    assert isinstance(weight, Tensor)
    size = weight.shape[0]
    alone = bare(norm)
    with torch.device("cpu"):
        probe = torch.linspace(-2.0, 3.0, size, dtype=torch.float32)[None]
        unit = probe * torch.rsqrt(probe.square().mean() + epsilon(norm, probe.dtype))
        for offset in (0.0, 1.0):
            outputs = [
                functional_call(alone, {"weight": probe.new_full((size,), gain - offset)}, (probe,))
                for gain in (1.0, 0.5)
            ]
            if all(
                torch.allclose(got, unit * gain, rtol=1e-4, atol=1e-5)
                for got, gain in zip(outputs, (1.0, 0.5), strict=True)
            ):
                return offset
    raise FormatError(
        f"{where}: {type(norm).__name__} is no RMSNorm or LayerNorm; exclude it from the recipe"
    )
