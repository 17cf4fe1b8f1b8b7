"""Site: a place in a layer whose weights are calibrated, one matrix or one an expert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FormatError, Mx

from ..layers.run import run
from ..modules.experts import ExpertWeight, is_transposed, weight_names
from ..modules.fake_linear import FakeLinear
from ..modules.hadamard import rotate
from ..plan.module_kind import Kind
from ..replace.build import Plan, input_formats


@dataclass(frozen=True, kw_only=True)
class Site:
    """A module of a layer's twin, and the weight that it was made from.

    Attributes:
        name: in the layer.
        twin: the quantised module; its observer sees the operands.
        original: the weight before; (out, in), or (experts, …).
    """

    name: str
    twin: FakeLinear | ExpertWeight
    original: Tensor

    @property
    def mx(self) -> Mx:
        """The format of the weight."""
        fmt = self.twin.stored.fmt
        assert isinstance(fmt, Mx)
        return fmt

    @property
    def place(self) -> str:
        """The module of the layer that is called: the site's own, or that of all its experts."""
        return self.name.rpartition(".")[0] if self.is_expert else self.name

    @property
    def operand(self) -> tuple[Any, ...]:
        """What makes two sites with the same input have the same operand."""
        if isinstance(self.twin, ExpertWeight):
            return (self.name,)
        return (self.twin.rotation, self.twin.dequant, self.twin.data_in)

    @property
    def is_expert(self) -> bool:
        """Whether there is a matrix for each expert."""
        return isinstance(self.twin, ExpertWeight)

    def matrices(self) -> list[Tensor]:
        """Return the matrices to quantise, (out, in), in the basis of their operands."""
        weight = self.original.detach().to(self.twin.stored.values.device)
        if isinstance(self.twin, ExpertWeight):
            return list(weight.mT if self.twin.transposed else weight)
        return [self.in_basis(weight)]

    def in_basis(self, x: Tensor) -> Tensor:
        """Return rows (…, in) in the basis in which weight and operand are multiplied."""
        twin = self.twin
        if isinstance(twin, ExpertWeight) or twin.rotation is None or twin.dequant:
            return x
        return rotate(x, twin.rotation)

    def put(self, solved: list[MxTensor]) -> MxTensor:
        """Give the twin calibrated matrices, and return them as its module stores them."""
        whole = solved[0]
        if isinstance(self.twin, ExpertWeight):
            whole = MxTensor(
                values=torch.stack([matrix.values for matrix in solved]),
                scales=torch.stack([matrix.scales for matrix in solved]),
                mx=self.mx,
                axis=2,
            )
            whole = whole.mT if self.twin.transposed else whole
        self.twin.stored = self.twin.stored.with_values(whole)
        return whole


def sites_of(layer: nn.Module, twin: nn.Module, names: list[str]) -> list[Site]:
    """Return the sites of the modules that are called so."""
    return [
        Site(name=name, twin=made, original=_weight(layer, name))
        for name in names
        if isinstance(made := twin.get_submodule(name), (FakeLinear, ExpertWeight))
    ]


def _weight(layer: nn.Module, name: str) -> Tensor:
    """Return a linear layer's weight, or the parameter that is called `name` itself."""
    owner, _, last = name.rpartition(".")
    own = dict(layer.get_submodule(owner).named_parameters(recurse=False))
    return own[last] if last in own else layer.get_submodule(name).get_parameter("weight")


def weights_of(plans: Sequence[Plan], source: str) -> dict[str, tuple[torch.Size, Mx, int]]:
    """Return shape, format and block axis of every weight that is to be calibrated, by name.

    Raises:
        FormatError: there is none, one has no block format, or it changes between phases.
    """
    found: dict[str, tuple[torch.Size, Mx, int]] = {}
    for plan in plans:
        asking = [selector for selector in plan.different() if selector.gptq]
        if not asking:
            continue
        where, fmt = plan.where(asking[0]), asking[0].formats.weight
        if not isinstance(fmt, Mx):
            raise FormatError(f"{where}: gptq = true needs a weight format with blocks")
        if len(plan.different()) > 1 and input_formats(plan, None) is None:
            raise FormatError(
                f"{where}: gptq = true, but prefill and decode would have different weights; let "
                "them differ in data_in only"
            )
        if plan.kind is Kind.EXPERTS:
            axis = 1 if is_transposed(plan.module, where) else 2
            for name in weight_names(plan.module):
                shape = plan.module.get_parameter(name).shape
                found[f"{plan.name}.{name}"] = (shape, fmt, axis)
        else:
            found[plan.name] = (plan.module.get_parameter("weight").shape, fmt, 1)
    if not found:
        raise FormatError(
            f"{source} [gptq]: no selector says gptq = true; add it, or remove [gptq]"
        )
    return found


def grouped(
    twin: nn.Module, sites: list[Site], hidden: Tensor, arguments: Mapping[str, Any]
) -> list[list[Site]]:
    """Return sites in the order in which they run, together where they read the same input.

    Args:
        twin: the layer that they are in.
        sites: those that a run does not reach come last, each alone.
        hidden: one sample for the layer.
        arguments: what it is called with besides.
    """
    reached: dict[Any, list[Site]] = {}
    inputs: list[Tensor] = []  # kept, so that no two of them share an address

    def note(site: Site) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
            given: Tensor = args[0]
            inputs.append(given)
            key = (given.data_ptr(), given.shape, *site.operand)
            reached.setdefault(key, []).append(site)

        return hook

    def see(site: Site) -> Any:
        def observer(expert: int, operand: Tensor, given: Tensor) -> None:
            reached.setdefault(site.name, [site])

        return observer

    hooks = []
    for site in sites:
        if isinstance(site.twin, ExpertWeight):
            site.twin.observer = see(site)
        else:
            hooks.append(site.twin.register_forward_pre_hook(note(site)))
    try:
        run(twin, hidden, dict(arguments))
    finally:
        for hook in hooks:
            hook.remove()
        for site in sites:
            site.twin.observer = None
    groups = list(reached.values())
    seen = {site.name for group in groups for site in group}
    return groups + [[site] for site in sites if site.name not in seen]
