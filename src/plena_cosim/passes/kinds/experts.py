"""Fused experts, known by weights with one matrix an expert."""

from __future__ import annotations

import torch
from torch import nn

from plena_cosim.golden import FormatError

from ..modules.exact_linear import operand_formats
from ..modules.experts import (
    ExpertWeight,
    is_transposed,
    multiply_one_by_one,
    says_axis,
    weight_names,
)
from ..modules.module_kind import (
    BLOCKS,
    AcceptedFormats,
    BuildRequest,
    Built,
    ModuleKind,
    PhasedRequest,
)
from ..modules.phase import PhaseClock
from ..recipe.recipe import KvHandover
from ..recipe.spec_format import SpecFormat

_ROLES = ("weight", "data_in")


class ExpertsKind(ModuleKind):
    """Parameters (experts, rows, columns), each of which becomes a module that indexes like it."""

    name = "experts"
    priority = 50
    accepts = AcceptedFormats(roles=dict.fromkeys(_ROLES, BLOCKS), spec=_ROLES, options=("gptq",))
    encloses = True

    def recognise(self, module: nn.Module) -> bool:
        """Return whether it owns a parameter of three axes and is no convolution."""
        return not isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)) and bool(
            weight_names(module)
        )

    def obstacle(self, module: nn.Module) -> str | None:
        """Return what is missing where nothing says along which axis weights are multiplied."""
        if not self.recognise(module) or says_axis(module):
            return None
        return "keeps a matrix an expert and does not say along which axis it multiplies them"

    def operands(self, module: nn.Module) -> tuple[str, ...]:
        """Return the names of the parameters with one matrix an expert."""
        return tuple(weight_names(module))

    def slices(self, module: nn.Module) -> list[str]:
        """Return the linear layers that experts were, such as `3.gate_proj`."""
        found: list[str] = []
        for name in weight_names(module):
            parts = ("gate_proj", "up_proj") if name == "gate_up_proj" else (name,)
            count = len(module.get_parameter(name))
            found += [f"{expert}.{part}" for expert in range(count) for part in parts]
        return found

    def weight_blocks(self, module: nn.Module, where: str) -> dict[str, tuple[torch.Size, int]]:
        """Return the shapes of the parameters."""
        axis = 1 if is_transposed(module, where) else 2
        return {name: (module.get_parameter(name).shape, axis) for name in weight_names(module)}

    def taken_over(self, module: nn.Module) -> list[nn.Module]:
        """Return nothing: its own forward runs, on other weights."""
        return []

    def check(self, request: BuildRequest, handover: KvHandover) -> None:
        """Raise FormatError where the contraction axis is not known, or formats do not fit."""
        is_transposed(request.module, request.where)
        data_in = request.selector.formats.data_in
        if request.hw is not None:
            operand_formats(request.selector.formats, request.where)
        if isinstance(data_in, SpecFormat) and data_in.is_static:
            raise FormatError(
                f"{request.where}: data_in: experts are handed their tokens inside the module, "
                'where no range is calibrated; take range = "dynamic"'
            )
        self._require_axes(request)

    def _require_axes(self, request: BuildRequest) -> None:
        """Raise FormatError where a matrix has no such axis as its format names."""
        fmt = request.selector.formats.weight
        for stage in fmt.stages if isinstance(fmt, SpecFormat) else ():
            for shape, axis in self.weight_blocks(request.module, request.where).values():
                _, rows, columns = shape
                try:
                    stage.granularity.axis((rows, columns) if axis == 2 else (columns, rows))
                except FormatError as error:
                    raise FormatError(f"{request.where}: weight: {error}") from None

    def check_phases(self, request: PhasedRequest) -> None:
        """Refuse phases that differ.

        Raises:
            FormatError: they do.
        """
        if len(set(request.selectors.values())) > 1:
            raise FormatError(
                f"{request.where}: experts cannot change their formats between phases; give "
                "prefill and decode the same table, or put it outside of [phase]"
            )

    def build(self, request: BuildRequest) -> Built:
        """Return a module for each parameter."""
        transposed = is_transposed(request.module, request.where)
        modules: dict[str, nn.Module] = {}
        weights = []
        for name in weight_names(request.module):
            weight = request.module.get_parameter(name)
            made = ExpertWeight(
                weight,
                request.selector.formats,
                transposed=transposed,
                hw=request.hw,
                where=request.where,
                store=request.store,
            )
            if name in request.calibrated:
                made.stored = made.stored.with_values(request.calibrated[name])
            modules[name] = made
            weights.append((weight.detach(), made.stored))
        return Built(modules=modules, weights=weights)

    def install(self, request: PhasedRequest, clock: PhaseClock) -> None:
        """Have the module multiply its experts one by one."""
        multiply_one_by_one(request.module)


KIND = ExpertsKind()
