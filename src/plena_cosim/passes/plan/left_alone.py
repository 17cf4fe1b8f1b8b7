"""LeftAlone: the matrices that a recipe leaves in floating point, each with the reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from torch import nn

from plena_cosim.golden import FormatError, HardwareConfig

from ..kinds import kind_of, obstacle
from ..modules.module_kind import ModuleKind
from ..recipe.recipe import Phase, Recipe
from ..weights.packed_weight import PackedWeight
from .match import told_to_stay
from .plan import Plan

_ATTRIBUTE = "plena_left_alone"


class Cause(Enum):
    """What kind of reason it is that a matrix stays."""

    RECIPE = "recipe"
    """The recipe itself says so."""
    LOOKED_UP = "looked up"
    """No selector chooses it, and it is a table whose rows are looked up."""
    UNCHOSEN = "unchosen"
    """No selector chooses it, and one could."""
    UNABLE = "unable"
    """No recipe can change it."""
    INPUT = "input"
    """It is quantised, but what it multiplies stays in float."""


@dataclass(frozen=True, kw_only=True)
class LeftMatrix:
    """One weight matrix that stays as it is, or whose input does.

    Attributes:
        name: of its module, or of the parameter where a module has others; numbers of layers are
            `*` in a group.
        module: the class of the module that owns it.
        shape: of the parameter.
        cause: what kind of reason it is.
        reason: in words.
    """

    name: str
    module: str
    shape: tuple[int, ...]
    cause: Cause
    reason: str


@dataclass(frozen=True, kw_only=True)
class LeftAlone:
    """What a recipe leaves in floating point.

    A parameter counts that has two axes or more and is no bias; whether its module multiplies by it
    only that module's code knows.

    Attributes:
        matrices: in the order of the model.
        inputs: those that are quantised, but are multiplied by the model's own code, which does not
            call their layers, so that their inputs stay.
        elements: of `matrices`; one that several modules share counts once.
        unasked: elements of those that could be multiplied, and of which the recipe says nothing.
        quantized: elements of the matrices that the recipe quantises.
    """

    matrices: tuple[LeftMatrix, ...]
    elements: int
    unasked: int
    quantized: int
    inputs: tuple[LeftMatrix, ...] = ()

    @property
    def share(self) -> float:
        """The part of all weights that stays, 0 … 1."""
        return self.elements / ((self.elements + self.quantized) or 1)

    def groups(self) -> list[tuple[LeftMatrix, int]]:
        """Return matrices that differ in numbers of their names only as one, and how many."""
        alike = Counter(
            LeftMatrix(**{**vars(matrix), "name": _pattern(matrix.name)})
            for matrix in (*self.matrices, *self.inputs)
        )
        return list(alike.items())

    def words(self) -> str:
        """Return how many there are, on one line.

        >>> LeftAlone(matrices=(), elements=0, unasked=0, quantized=9).words()
        'none'
        """
        count, inputs = len(self.matrices), len(self.inputs)
        words = []
        if count:
            matrices = "matrix" if count == 1 else "matrices"
            words.append(f"{count} {matrices}, {self.share:.1%} of weights")
        if inputs:
            words.append(f"{inputs} {'input' if inputs == 1 else 'inputs'}")
        return ", and ".join(words) or "none"

    def lines(self) -> list[str]:
        """Return a line for each group: name, how many, class, shape and reason."""
        return [
            f"{matrix.name}{f' ({count})' if count > 1 else ''}: {matrix.module}, "
            f"{' × '.join(map(str, matrix.shape))}: {matrix.reason}"
            for matrix, count in self.groups()
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the groups, and the share of all weights, for a JSON record."""
        return {
            "matrices": len(self.matrices),
            "inputs": len(self.inputs),
            "share": self.share,
            "groups": [
                {
                    **asdict(matrix),
                    "shape": list(matrix.shape),
                    "cause": matrix.cause.value,
                    "count": count,
                }
                for matrix, count in self.groups()
            ],
        }


def matrices_left(
    model: nn.Module,
    recipe: Recipe,
    plans: list[Plan],
    hw: HardwareConfig | None,
    *,
    calibrated: Collection[str] = (),
) -> LeftAlone:
    """Return what a recipe leaves of a model, before any module is replaced.

    Args:
        model: any module; its weights may be on the meta device.
        recipe: checked.
        plans: of the model, by the recipe; empty where it changes nothing.
        hw: the machine of exact numerics, which quantises every operand of a chosen module.
        calibrated: names of modules or parameters that [gptq] has calibrated in place.

    Raises:
        FormatError: an exclusion or a selector does not fit the model.
    """
    chosen = {plan.name: plan for plan in plans}
    staying = {phase: told_to_stay(model, recipe, phase) if plans else {} for phase in Phase}
    found: list[LeftMatrix] = []
    left: dict[int, int] = {}
    unasked: dict[int, int] = {}
    quantized: dict[int, int] = {}
    inputs = []
    for name, module, role in _matrices(model):
        weight = module.get_parameter(role)
        reasons = {
            phase: _reason(name, module, role, chosen.get(name), staying[phase], hw, phase)
            for phase in Phase
        }
        full = f"{name}.{role}" if name else role
        one = id(_tied_to(model, full, weight))
        if not any(reasons.values()):
            quantized[one] = weight.numel()
            if taker := chosen[name].taken_by:
                inputs.append(
                    LeftMatrix(
                        name=name,
                        module=type(module).__name__,
                        shape=tuple(weight.shape),
                        cause=Cause.INPUT,
                        reason=f"its input: {taker} multiplies by its weight without calling it",
                    )
                )
            continue
        cause, reason = _together(reasons)
        if cause is Cause.UNCHOSEN and {name, full} & set(calibrated):
            cause, reason = Cause.RECIPE, "[gptq] puts calibrated values in place; " + reason
        left[one] = weight.numel()
        if cause in (Cause.UNCHOSEN, Cause.UNABLE):
            unasked[one] = weight.numel()
        found.append(
            LeftMatrix(
                name=name if role == "weight" and name else full,
                module=type(module).__name__,
                shape=tuple(weight.shape),
                cause=cause,
                reason=reason,
            )
        )
    return LeftAlone(
        matrices=tuple(found),
        elements=sum(left.values()),
        unasked=sum(unasked.values()),
        quantized=sum(quantized.values()),
        inputs=tuple(inputs),
    )


def note_left_alone(model: nn.Module, left: LeftAlone) -> None:
    """Have a model remember what a pass left of it."""
    setattr(model, _ATTRIBUTE, left)


def left_alone(model: nn.Module) -> LeftAlone:
    """Return what the pass left of a model in floating point: matrices, shares, reasons.

    Args:
        model: from quantize_module_transform_pass, or loaded from what it was saved to.

    Raises:
        FormatError: no pass has been over it.
    """
    found = getattr(model, _ATTRIBUTE, None)
    if not isinstance(found, LeftAlone):
        raise FormatError(
            f"no recipe has been over this {type(model).__name__}; give it to "
            "quantize_module_transform_pass first"
        )
    return found


def _matrices(model: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Return name, module and parameter of what may be multiplied."""
    for name, module in model.named_modules():
        if isinstance(module, PackedWeight):  # of another pass
            continue
        for role, weight in module.named_parameters(recurse=False):
            axes = weight.ndim if weight.ndim <= 2 else sum(size > 1 for size in weight.shape)
            if axes >= 2 and weight.is_floating_point() and not role.endswith("bias"):
                yield name, module, role


def _tied_to(model: nn.Module, name: str, weight: nn.Parameter) -> nn.Parameter:
    """Return the one of several tied parameters that counts.

    A model that is just being loaded has its ties as names only, on the meta device.
    """
    tied = getattr(model, "all_tied_weights_keys", None) if weight.is_meta else None
    return model.get_parameter(tied[name]) if tied and name in tied else weight


def _reason(
    name: str,
    module: nn.Module,
    role: str,
    plan: Plan | None,
    staying: Mapping[str, str],
    hw: HardwareConfig | None,
    phase: Phase,
) -> tuple[Cause, str] | None:
    """Return why a matrix stays in one phase; None: it does not."""
    selector = plan.selectors[phase] if plan is not None else None
    kind, owner = kind_of(module), type(module).__name__
    if plan is not None and selector is not None and plan.kind.owns_weights:
        if role not in plan.kind.operands(module):
            return Cause.UNABLE, f"of {owner}, recipes change only {_listed(plan.kind, module)}"
        if selector.formats.weight is None and hw is None:
            return Cause.RECIPE, f"[{selector.name}] gives its weight no format"
        return None
    if name in staying:
        return Cause.RECIPE, staying[name]
    if why := obstacle(module):
        table = isinstance(module, nn.Embedding)
        return Cause.LOOKED_UP if table else Cause.UNABLE, f"{owner} {why}"
    if kind is None or role not in kind.operands(module):
        return Cause.UNABLE, f"a recipe changes no {role} of {owner}"
    if kind.looked_up:
        return Cause.LOOKED_UP, "no selector chooses it; its rows are looked up, not multiplied"
    return Cause.UNCHOSEN, "no selector chooses it"


def _together(reasons: Mapping[Phase, tuple[Cause, str] | None]) -> tuple[Cause, str]:
    """Return the reason of both phases, or that of one and which one it is."""
    given = {phase: reason for phase, reason in reasons.items() if reason is not None}
    first, *others = given.values()
    if len(given) == len(reasons) and first == (others or [first])[0]:
        return first
    cause = first[0]
    return cause, "; ".join(f"in {phase.value}: {reason}" for phase, (_, reason) in given.items())


def _listed(kind: ModuleKind, module: nn.Module) -> str:
    return ", ".join(kind.operands(module))


def _pattern(name: str) -> str:
    """Return a name with `*` for each number.

    >>> _pattern("model.layers.11.mlp.experts.0.up_proj")
    'model.layers.*.mlp.experts.*.up_proj'
    """
    return re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name)
