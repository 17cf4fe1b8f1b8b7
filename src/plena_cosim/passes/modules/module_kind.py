"""ModuleKind: all that the passes know of one kind of module.

Each file of kinds/ makes one; matching, checking, replacing, calibration, distillation and reports
ask it, and know no kind by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from plena_cosim.golden import HardwareConfig

from ..recipe.formats import AttentionFormats, Format
from ..recipe.recipe import KvHandover, Phase
from ..recipe.selector import Selector
from ..recipe.selector_tables import OPERATIONS
from ..weights.packed_weight import PackedWeight, WeightFactory
from ..weights.spec_tensor import CalibratedWeight
from ..weights.spec_values import Range
from .phase import PhaseClock

BLOCKS, SCALAR = "mxint or mxfp", "minifloat"
"""Families of formats, as messages name them."""


@dataclass(frozen=True, kw_only=True)
class AcceptedFormats:
    """What one kind of module takes.

    Attributes:
        roles: family of the format of each role.
        spec: the roles that a table of `name = "spec"` may be about.
        options: which of gptq, clip_search, online_rotate.
        attention: whether it takes the sub-tables of attention.
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    spec: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    attention: bool = False

    def names(self) -> tuple[str, ...]:
        """Return all that it takes."""
        inside = (*OPERATIONS, "softmax_out") if self.attention else ()
        return (*self.roles, *self.spec, *self.options, *inside)

    def words(self) -> str:
        """Return all that it takes, for a message."""
        roles = [f"{role}_ keys in {family}" for role, family in self.roles.items()]
        roles += [f'with name = "spec" {", ".join(self.spec)}'] if self.spec else []
        tables = ["the sub-tables " + ", ".join(OPERATIONS)] if self.attention else []
        tables += ['with name = "spec" softmax_out'] if self.attention else []
        return ", ".join([*roles, *self.options, *tables])


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """A module, and what a recipe makes of it in one phase or in both.

    Attributes:
        module: as it was.
        selector: its formats and options.
        hw: the machine of exact numerics; None for fake numerics.
        where: for messages.
        store: makes the weights; PackedWeight.empty where they come later.
        ranges: what calibration found where a range is static, by role: one a stage.
        calibrated: weights that take the place of rounding to nearest, by the names that
            `weight_blocks` gives them.
    """

    module: nn.Module
    selector: Selector
    hw: HardwareConfig | None
    where: str
    store: WeightFactory = PackedWeight
    calibrated: Mapping[str, CalibratedWeight] = field(default_factory=dict)
    ranges: Mapping[str, Sequence[Range | None]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PhasedRequest:
    """A module, and what a recipe makes of it in each phase.

    Attributes:
        module: as it was.
        selectors: by phase; None: left alone.
        hw: the machine of exact numerics; None for fake numerics.
        where: for messages.
    """

    module: nn.Module
    selectors: Mapping[Phase, Selector | None]
    hw: HardwareConfig | None
    where: str


@dataclass(frozen=True, kw_only=True)
class Built:
    """What came of an request.

    Attributes:
        modules: quantised modules by the name of the child or parameter that each replaces; an
            empty name is the module itself.
        weights: each weight before and after, in one basis and form.
        rotation: size of the Hadamard blocks of both operands; None without.
        attention: formats inside attention, sizes of rotations included.
    """

    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    weights: list[tuple[Tensor, PackedWeight]] = field(default_factory=list)
    rotation: int | None = None
    attention: AttentionFormats | None = None


class ModuleKind:
    """One kind of module. A file of kinds/ fills in what is its own and calls the object KIND.

    Attributes:
        name: for reports and messages.
        priority: where kinds might recognise the same module, the lower one has it.
        accepts: what a recipe may say of such modules.
        owns_weights: whether its parameters are its operands; attention and MLPs leave theirs to
            the linear layers inside.
        encloses: whether nothing inside such a module is chosen on its own.
        looked_up: whether rows of its weight are looked up, not multiplied.
    """

    name: str
    priority: int
    accepts: AcceptedFormats
    owns_weights = True
    encloses = False
    looked_up = False

    def recognise(self, module: nn.Module) -> bool:
        """Return whether a module is of this kind, whatever family of models it belongs to."""
        raise NotImplementedError

    def obstacle(self, module: nn.Module) -> str | None:
        """Return why a module that looks like one of this kind cannot be quantised.

        Args:
            module: any module.

        Returns:
            Words that follow the name of its class; None: nothing is in the way, or it looks like
            no such module.
        """
        return None

    def operands(self, module: nn.Module) -> tuple[str, ...]:
        """Return the names of the parameters that become weights in the selector's format.

        Args:
            module: of this kind.
        """
        return ("weight",) if self.owns_weights else ()

    def matmuls(self, name: str) -> list[str]:
        """Return the matrix products of a module of this name that [rotation] may rotate."""
        return []

    def slices(self, module: nn.Module) -> list[str]:
        """Return the names of modules that are slices of its weights now, relative to its own.

        Args:
            module: of this kind.
        """
        return []

    def weight_blocks(self, module: nn.Module, where: str) -> dict[str, tuple[torch.Size, int]]:
        """Return shape and block axis of each weight that [gptq] may calibrate, as it is stored.

        Args:
            module: of this kind.
            where: for messages.

        Returns:
            By the name that the weight has in calibration: empty for a module's only one.
        """
        return {}

    def taken_over(self, module: nn.Module) -> list[nn.Module]:
        """Return the modules whose forward is no longer called, or called otherwise.

        Args:
            module: of this kind.
        """
        return [module]

    def observed_input(self, module: nn.Module, selector: Selector, x: Tensor) -> Tensor:
        """Return what `data_in` quantises of what a module is given.

        Args:
            module: of this kind, in floating point.
            selector: what it is to become.
            x: its input.
        """
        return x

    def check(self, request: BuildRequest, handover: KvHandover) -> None:
        """Raise FormatError where `build` cannot do what is asked; change nothing.

        Args:
            request: a selector with what this kind accepts; the module's own parameters are finite.
            handover: what decode makes of the cache of prefill.
        """

    def check_phases(self, request: PhasedRequest) -> None:
        """Raise FormatError where a module cannot be one thing in prefill and another in decode."""

    def input_formats(self, request: PhasedRequest) -> dict[Phase, Format | None] | None:
        """Return the formats of the input, if they are all that changes between phases.

        Returns:
            By phase, for a quantised module with an attribute `input`; None where phases need
            quantised modules of their own.
        """
        return None

    def build(self, request: BuildRequest) -> Built:
        """Return the quantised modules of a module; nothing is put in place yet."""
        raise NotImplementedError

    def install(self, request: PhasedRequest, clock: PhaseClock) -> None:
        """Change what of a module is no module of its own, in place, for both phases.

        Args:
            request: what has been checked.
            clock: says which phase it is.
        """

    def finish(self, model: nn.Module) -> None:
        """Change what concerns a model as a whole, once it has such modules, in place."""
