"""Fused experts: weights with one matrix an expert, each quantised along its contraction axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import fakequant
from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FormatError, HardwareConfig, Mx

from ..recipe.formats import Format, ModuleFormats
from ..weights.packed_weight import PackedWeight, WeightFactory
from ..weights.spec_tensor import CalibratedWeight, SpecTensor
from .exact_linear import operand_formats
from .operand import fake_quantize, matrix_operand
from .quantized_module import CalibratedModule, HeldWeight, Observer


class ExpertWeight(CalibratedModule):
    """Stands where a module keeps a parameter (experts, rows, columns), and indexes like it.

    What the module's own code multiplies by one expert's matrix (`linear` or `@`) is quantised
    first and, with exact numerics, multiplied as the matrix unit does.

    Attributes:
        stored: the quantised weights.
        transposed: whether `x @ w` is computed; else `x @ w.T`, as in nn.Linear.
        data_in: format of the other operand.
        observer: if set, with fake numerics, told of each operand before an expert multiplies it.
    """

    is_expert = True

    def __init__(
        self,
        weight: Tensor,
        formats: ModuleFormats,
        *,
        transposed: bool,
        hw: HardwareConfig | None,
        where: str = "experts",
        store: WeightFactory = PackedWeight,
    ) -> None:
        super().__init__()
        self.transposed, self.hw = transposed, hw
        fmt: Format | None = formats.weight
        self.data_in: Format | None = formats.data_in
        self.observer: Observer | None = None
        if hw is not None:
            fmt, self.data_in = operand_formats(formats, where)
        dtype = weight.dtype if hw is None else None
        axis = -2 if transposed else -1
        self.stored = store(weight, fmt, axis=axis, by_matrix=True, dtype=dtype)

    def held(self) -> list[HeldWeight]:
        """Return the one weight: the parameter that this module stands for."""
        return [HeldWeight(name="", stored=self.stored)]

    def operand_key(self) -> None:
        """Say that no other weight shares the operands."""

    def matrices(self, original: Tensor) -> list[Tensor]:
        """Return the matrix of each expert, (out, in)."""
        return list(original.mT if self.transposed else original)

    def assembled(self, solved: list[CalibratedWeight]) -> CalibratedWeight:
        """Return the experts' matrices, (out, in) each, as one weight."""
        found = [matrix for matrix in solved if isinstance(matrix, SpecTensor)]
        if found:
            values = torch.stack([matrix.values for matrix in found])
            if self.transposed:
                values = values.mT.contiguous()
            return SpecTensor(values=values, fmt=found[0].fmt, axis=self.stored.axis)
        blocks = [matrix for matrix in solved if isinstance(matrix, MxTensor)]
        whole = MxTensor(
            values=torch.stack([matrix.values for matrix in blocks]),
            scales=torch.stack([matrix.scales for matrix in blocks]),
            mx=blocks[0].mx,
            axis=2,
        )
        return whole.mT if self.transposed else whole

    def plain_state(self) -> dict[str, Tensor]:
        """Return the parameter that this module stands for, under the module's own name."""
        return {"": self.stored.values.detach()}

    def add(self, y: Tensor, bias: Tensor) -> Tensor:
        """Return a product plus a bias; with exact numerics one rounding to the vector format."""
        if self.hw is None:
            return y + bias
        vector = self.hw.vector_format
        return fakequant.add(y, fakequant.cast(bias, vector), vector).to(y.dtype)

    def __getitem__(self, expert: Any) -> _ExpertMatrix:
        return _ExpertMatrix(self, expert)


class _ExpertMatrix:
    """One expert's matrix, as an operand that torch's functions leave to us."""

    def __init__(self, owner: ExpertWeight, expert: Any) -> None:
        self.owner, self.expert = owner, expert

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = [*args, *(kwargs or {}).values()]
        matrix = next(arg for arg in given if isinstance(arg, cls))
        if func is functional.linear and len(given) >= 2 and given[1] is matrix:
            y = matrix.multiply(given[0], transposed=False)
            bias = given[2] if len(given) > 2 else None
            return y if bias is None else matrix.owner.add(y, bias)
        products = (torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.mm)
        if func in products and given[1] is matrix:
            return matrix.multiply(given[0], transposed=True)
        raise FormatError(
            f"experts are quantised where they are multiplied by linear or @, not in {func}"
        )

    def multiply(self, x: Tensor, *, transposed: bool) -> Tensor:
        """Return x @ w (transposed) or x @ w.T, in the dtype of `x`."""
        owner = self.owner
        if transposed is not owner.transposed:
            raise FormatError("experts are multiplied along another axis than they were quantised")
        values = owner.stored.matrix(self.expert)
        if owner.hw is None:
            narrowed = fake_quantize(x, owner.data_in) if x.numel() else x
            if owner.observer is not None:
                owner.observer(int(self.expert), narrowed, x)
            return narrowed @ values if transposed else functional.linear(narrowed, values)
        if not x.numel():
            return x.new_zeros(*x.shape[:-1], values.shape[1 if transposed else 0])
        mx = owner.stored.fmt
        assert isinstance(mx, Mx)
        assert isinstance(owner.data_in, Mx)
        w = MxTensor(
            values=values,
            scales=owner.stored.scales[self.expert],
            mx=mx,
            axis=0 if transposed else 1,
        )
        left = matrix_operand(x, owner.data_in, owner.hw.vector_format)
        return fakequant.matmul(left, w if transposed else w.mT, owner.hw).to(x.dtype)


def weight_names(experts: nn.Module) -> list[str]:
    """Return the names of the parameters with one matrix an expert."""
    own = experts.named_parameters(recurse=False)
    return [name for name, parameter in own if parameter.ndim == 3]


def says_axis(experts: nn.Module) -> bool:
    """Return whether the module says along which axis it multiplies its weights."""
    return isinstance(getattr(experts, "is_transposed", None), bool)


def is_transposed(experts: nn.Module, where: str) -> bool:
    """Return whether the module computes x @ w, as it says.

    Raises:
        FormatError: it does not say.
    """
    if says_axis(experts):
        return bool(experts.is_transposed)
    sizes = {experts.get_parameter(name).shape for name in weight_names(experts)}
    raise FormatError(
        f"{where}: cannot tell along which axis {type(experts).__name__} multiplies its weights "
        f"({', '.join(str(tuple(size)) for size in sizes)}); exclude it from the recipe"
    )


def multiply_one_by_one(experts: nn.Module) -> None:
    """Have a fused experts module of transformers index its weights, one expert at a time."""
    config = getattr(experts, "config", None)
    if getattr(config, "_experts_implementation", "eager") != "eager":
        config._experts_implementation = "eager"  # type: ignore[union-attr]
    experts.register_forward_pre_hook(_require_one_by_one)


def _require_one_by_one(experts: nn.Module, args: Any) -> None:
    """Raise FormatError where another way to multiply experts was chosen after the pass."""
    config = getattr(experts, "config", None)
    chosen = getattr(config, "_experts_implementation", None) or "eager"
    if chosen != "eager":
        raise FormatError(
            f"quantised experts are multiplied one by one, and {chosen!r} was chosen since; "
            'model.set_experts_implementation("eager") goes back'
        )
