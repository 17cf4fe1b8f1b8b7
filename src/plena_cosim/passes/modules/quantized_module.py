"""QuantizedModule: what stands in the place of a module and holds its weights as codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from plena_cosim.fakequant.step_by_step import uncompiled

from ..weights.packed_weight import PackedWeight
from ..weights.spec_tensor import CalibratedWeight

Observer = Callable[[int, Tensor, Tensor], None]
"""Is told which matrix of a module (0, or the number of an expert) is to multiply which operand,
and the input that this was made from."""


def unchanged(values: Tensor) -> Tensor:
    """Return `values`."""
    return values


@dataclass(frozen=True, kw_only=True)
class HeldWeight:
    """A weight of a quantised module, and what it is to the module that stood there before.

    Attributes:
        name: of the parameter there; empty where a quantised module stands for one parameter.
        stored: the weight.
        to_plain: makes the parameter's values of the stored ones, on tensors of any precision.
    """

    name: str
    stored: PackedWeight
    to_plain: Callable[[Tensor], Tensor] = unchanged


class QuantizedModule(nn.Module):
    """What stands in the place of a module.

    Attributes:
        stored, stored_bias: its quantised weights; a module without a bias need not have the other.
    """

    stored: PackedWeight
    stored_bias: PackedWeight | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Keep the forward of each class out of compiled graphs."""
        super().__init_subclass__(**kwargs)
        if "forward" in vars(cls):
            cls.forward = uncompiled(cls.forward)

    def to_plain(self, values: Tensor) -> Tensor:
        """Return the original parameter `weight` for values in the form of `stored`."""
        return values

    def held(self) -> list[HeldWeight]:
        """Return the module's weights."""
        weight = HeldWeight(name="weight", stored=self.stored, to_plain=self.to_plain)
        bias = getattr(self, "stored_bias", None)
        return [weight] if bias is None else [weight, HeldWeight(name="bias", stored=bias)]


class CalibratedModule(QuantizedModule):
    """A quantised module whose weight can be fitted to the operands that meet it.

    Attributes:
        is_expert: whether there is a matrix for each expert.
        observer: if set, with fake numerics, told of each operand before it is multiplied.
    """

    is_expert = False
    observer: Observer | None

    def operand_key(self) -> tuple[object, ...] | None:
        """Return what besides the input decides the operand; None: it is no other module's."""
        raise NotImplementedError

    def matrices(self, original: Tensor) -> list[Tensor]:
        """Return the matrices to quantise, (out, in), in the basis of their operands.

        Args:
            original: the parameter that the weight was made from.
        """
        raise NotImplementedError

    def in_basis(self, x: Tensor) -> Tensor:
        """Return rows (…, in) in the basis in which weight and operand are multiplied."""
        return x

    def assembled(self, solved: list[CalibratedWeight]) -> CalibratedWeight:
        """Return quantised matrices as the weight is stored."""
        return solved[0]
