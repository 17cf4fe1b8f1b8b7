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
from ..weights.packed_weight import Store, StoredWeight
from .exact_linear import operand_formats
from .fake_linear import Observer
from .operand import matrix_operand, narrow


class ExpertWeight(nn.Module):
    """Stands where a module keeps a parameter (experts, rows, columns), and indexes like it.

    What the module's own code multiplies by one expert's matrix (`linear` or `@`) is quantised
    first and, with exact numerics, multiplied as the matrix unit does.

    Attributes:
        stored: the quantised weights.
        transposed: whether `x @ w` is computed; else `x @ w.T`, as in nn.Linear.
        data_in: format of the other operand.
        observer: if set, with fake numerics, told of each operand before an expert multiplies it.
    """

    def __init__(
        self,
        weight: Tensor,
        formats: ModuleFormats,
        *,
        transposed: bool,
        hw: HardwareConfig | None,
        where: str = "experts",
        store: Store = StoredWeight,
    ) -> None:
        super().__init__()
        self.transposed, self.hw = transposed, hw
        fmt: Format | None = formats.weight
        self.data_in: Format | None = formats.data_in
        self.observer: Observer | None = None
        if hw is not None:
            fmt, self.data_in = operand_formats(formats, where)
        dtype = weight.dtype if hw is None else None
        self.stored = store(weight, fmt, axis=-2 if transposed else -1, dtype=dtype)

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
            narrowed = narrow(x, owner.data_in) if x.numel() else x
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


def is_transposed(experts: nn.Module, where: str) -> bool:
    """Return whether the module computes x @ w, found from what it says or from its shapes.

    Raises:
        FormatError: neither tells.
    """
    said = getattr(experts, "is_transposed", None)
    if isinstance(said, bool):
        return said
    sizes = {experts.get_parameter(name).shape for name in weight_names(experts)}
    raise FormatError(
        f"{where}: cannot tell along which axis {type(experts).__name__} multiplies its weights "
        f"({', '.join(str(tuple(size)) for size in sizes)}); exclude it from the recipe"
    )


def install_experts(
    experts: nn.Module,
    formats: ModuleFormats,
    *,
    hw: HardwareConfig | None,
    where: str,
    store: Store = StoredWeight,
) -> None:
    """Replace the weights of a fused experts module, in place, and have it multiply one by one."""
    transposed = is_transposed(experts, where)
    for name in weight_names(experts):
        weight = experts.get_parameter(name)
        delattr(experts, name)
        twin = ExpertWeight(weight, formats, transposed=transposed, hw=hw, where=where, store=store)
        experts.add_module(name, twin)
    config = getattr(experts, "config", None)
    if getattr(config, "_experts_implementation", "eager") != "eager":
        config._experts_implementation = "eager"  # type: ignore[union-attr]
