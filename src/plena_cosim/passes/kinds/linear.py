"""Linear layers: torch's own class, and those derived from it that compute the same."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError, Mx

from ..modules.exact_linear import ExactLinear, operand_formats
from ..modules.fake_linear import FakeLinear
from ..modules.hadamard import rotate, rotate_online, rotation_size
from ..modules.linear_probe import differs_from_linear
from ..modules.module_kind import (
    BLOCKS,
    AcceptedFormats,
    BuildRequest,
    Built,
    ModuleKind,
    PhasedRequest,
)
from ..recipe.formats import Format, RotationMode
from ..recipe.recipe import KvHandover, Phase
from ..recipe.role_format import ALL_ROLES, ROLES
from ..recipe.selector import Selector
from ..recipe.selector_tables import OPTIONS
from ..recipe.spec_format import SpecFormat
from ..weights.clip_search import clipped
from ..weights.spec_values import require_static


class LinearKind(ModuleKind):
    """A matrix (out, in) that multiplies the last axis of its input, and maybe a bias.

    Attributes:
        fake, exact: the quantised modules; they are made from an nn.Linear.
    """

    name = "linear layer"
    priority = 10
    accepts = AcceptedFormats(roles=dict.fromkeys(ROLES, BLOCKS), spec=ALL_ROLES, options=OPTIONS)
    fake: type[FakeLinear] = FakeLinear
    exact: type[ExactLinear] = ExactLinear

    def recognise(self, module: nn.Module) -> bool:
        """Return whether it is torch's linear layer, or computes the same for test vectors."""
        return isinstance(module, nn.Linear) and differs_from_linear(module) is None

    def obstacle(self, module: nn.Module) -> str | None:
        """Return in what a class derived from torch's linear layer computes something else."""
        differs = differs_from_linear(module) if isinstance(module, nn.Linear) else None
        return None if differs is None else f"derives from nn.Linear, but {differs}"

    def as_linear(self, module: nn.Module) -> nn.Linear:
        """Return a module of this kind as an nn.Linear with the same values."""
        assert isinstance(module, nn.Linear)
        return module

    def matmuls(self, name: str) -> list[str]:
        """Return its one product."""
        return [name]

    def weight_blocks(self, module: nn.Module, where: str) -> dict[str, tuple[torch.Size, int]]:
        """Return the shape of its one weight, (out, in)."""
        return {"": (self.as_linear(module).weight.shape, 1)}

    def check(self, request: BuildRequest, handover: KvHandover) -> None:
        """Raise FormatError where operands do not fit the matrix unit, or the rotation the axis."""
        if request.hw is not None:
            operand_formats(request.selector.formats, request.where)
        require_spec(request)
        length = self.as_linear(request.module).in_features
        size_of_rotation(length, request.selector, request.where)

    def input_formats(self, request: PhasedRequest) -> dict[Phase, Format | None] | None:
        """Return the formats of the input, if they are all that changes between phases."""
        chosen = {phase: given for phase, given in request.selectors.items() if given is not None}
        if len(chosen) < len(Phase):
            return None
        alike = {
            (replace(s.formats, data_in=None), s.clip_search, s.online_rotate)
            for s in chosen.values()
        }
        if len(alike) > 1 or any(_is_static(s.formats.data_in) for s in chosen.values()):
            return None
        if request.hw is None:
            return {phase: selector.formats.data_in for phase, selector in chosen.items()}
        operands = {p: operand_formats(s.formats, request.where) for p, s in chosen.items()}
        if len({weight for weight, _ in operands.values()}) > 1:
            return None
        return {phase: data_in for phase, (_, data_in) in operands.items()}

    def observed_input(self, module: nn.Module, selector: Selector, x: Tensor) -> Tensor:
        """Return the input in the basis in which it is quantised.

        Args:
            module: of this kind, in floating point.
            selector: what it is to become.
            x: what the module is given.
        """
        if selector.semantics is RotationMode.DEQUANT:
            return x
        size = size_of_rotation(self.as_linear(module).in_features, selector, "")
        return x if size is None else rotate_online(x, size)

    def build(self, request: BuildRequest) -> Built:
        """Return the quantised layer; it takes a calibrated weight in the basis of its rotation."""
        selector, hw, where = request.selector, request.hw, request.where
        linear, formats = self.as_linear(request.module), selector.formats
        rotation = size_of_rotation(linear.in_features, selector, where)
        dequant = selector.semantics is RotationMode.DEQUANT
        before = linear.weight.detach()
        source = linear
        if not before.is_meta:
            if rotation is not None and not dequant:
                before = rotate(before, rotation)
            target = before
            if selector.clip_search and isinstance(formats.weight, Mx):
                target = clipped(before, formats.weight, selector.clip_search)
            source = nn.Linear(linear.in_features, linear.out_features, bias=False, device="meta")
            source.weight = nn.Parameter(target, requires_grad=False)
            source.bias = linear.bias
        made: FakeLinear | ExactLinear
        if hw is None:
            made = self.fake(
                source,
                formats,
                rotation=rotation,
                dequant=dequant,
                store=request.store,
                ranges=request.ranges,
            )
        else:
            made = self.exact(
                source, formats, hw, where=where, rotation=rotation, store=request.store
            )
        calibrated = request.calibrated.get("")
        if calibrated is not None:
            made.stored = made.stored.with_values(calibrated)
        return Built(modules={"": made}, weights=[(before, made.stored)], rotation=rotation)


def size_of_rotation(length: int, selector: Selector, where: str) -> int | None:
    """Return the size of the Hadamard blocks that a selector asks for, None for none.

    Args:
        length: of the contraction axis.
        selector: with the option `online_rotate`.
        where: for messages.

    Raises:
        FormatError: the size does not fit.
    """
    wanted = selector.online_rotate
    if not wanted:
        return None
    return rotation_size(length, None if wanted < 0 else wanted, where)


def require_spec(request: BuildRequest) -> None:
    """Raise FormatError where static ranges of input or output have no meaning.

    Args:
        request: for a linear layer or a convolution.
    """
    formats = request.selector.formats
    for role in ("data_in", "data_out"):
        fmt = getattr(formats, role)
        if isinstance(fmt, SpecFormat):
            require_static(fmt, f"{request.where}: {role}")
            if fmt.is_static and request.selector.semantics is RotationMode.DEQUANT:
                raise FormatError(
                    f"{request.where}: {role} has a static range, which goes with semantics = "
                    '"fused" only'
                )


def _is_static(fmt: Format | None) -> bool:
    return isinstance(fmt, SpecFormat) and fmt.is_static


KIND = LinearKind()
