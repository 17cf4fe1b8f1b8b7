"""SelectivePass: a recipe made ready once, and then applied to any part of what it quantises."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, fields, replace

from torch import Tensor, nn

from plena_cosim.golden import FormatError, HardwareConfig, Mx
from plena_cosim.ground.progress import Progress

from .calibration.in_place import is_in_place
from .modules.eager_forward import run_eagerly
from .pipeline import prepare
from .plan.plan import Plan
from .plan.plan_model import plans_in, plans_of
from .quantize_module import machine_of
from .recipe.formats import AttentionFormats, CastFormat, Format
from .recipe.numerics import Numerics
from .recipe.recipe import Recipe
from .recipe.role_format import ALL_ROLES
from .recipe.selector import Selector
from .recipe.spec_format import SpecFormat
from .replace.check import check
from .replace.own_configs import own_configs
from .replace.replace import replace_modules


@dataclass(frozen=True, kw_only=True)
class Operand:
    """One operand that a recipe quantises.

    Attributes:
        module: name of its module.
        role: "weight", "data_in", "bias", or an operation inside of attention, such as "kv_cache".
        fmt: what it becomes, in prefill.
        selector: key of the selector that chooses its module.
        elements: of a weight; 0 for others.
    """

    module: str
    role: str
    fmt: Format
    selector: str = ""
    elements: int = 0


Choice = Callable[[Operand], Format | None]
"""What an operand is to become; None: it stays as it is."""


class SelectivePass:
    """A recipe on a model, as often as one likes, for some of its operands.

    What comes before modules are replaced (scaling, rotation, search, calibration) is done once,
    for the whole recipe; each choice takes what it has made.

    Attributes:
        operands: all that the recipe quantises, in the order of the model.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        *,
        numerics: Numerics | str = Numerics.FAKE,
        hw: HardwareConfig | None = None,
        tokens: Tensor | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Make a recipe ready; see `quantize_module_transform_pass`.

        Args:
            model: in floating point; it is changed (rotations are folded into it), not quantised.
            recipe: checked.
            numerics: "fake" or "exact".
            hw: the machine of exact numerics.
            tokens: (samples, seqlen) int64 to calibrate with.
            progress: told of a calibration.

        Raises:
            FormatError: the recipe does not fit the model, or replaces no module.
        """
        if is_in_place(recipe):
            raise FormatError(
                f"{recipe.source}: [gptq] puts its values into the model itself, where nothing can "
                "be taken back; add selectors with gptq = true"
            )
        self._machine = machine_of(recipe, numerics, hw)
        plans = plans_of(model, recipe)
        for plan in plans:
            check(plan, self._machine, recipe.kv_handover)
        made = prepare(model, recipe, plans=plans, tokens=tokens, progress=progress)
        self._recipe, self._plans, self._weights = made.recipe, made.plans, made.weights
        self._ranges = made.ranges
        if not self._plans:
            raise FormatError(f"{recipe.source}: the recipe leaves every module as it is")
        own_configs(model)
        self._model = model
        self.operands = [operand for plan in self._plans for operand in _operands(plan)]

    def applied(self, choose: Choice) -> nn.Module:
        """Return a copy of the model in which operands are what a function says.

        Args:
            choose: asked of each operand; calibrated weights count only in their own format.

        Raises:
            FormatError: a module cannot become that.
        """
        model = deepcopy(self._model)
        plans = [kept for plan in self._plans if (kept := _kept(plan, choose)) is not None]
        plans = plans_in(model, plans)
        for plan in plans:
            check(plan, self._machine, self._recipe.kv_handover)
        replace_modules(
            model, plans, self._recipe, self._machine, calibrated=self._weights, ranges=self._ranges
        )
        run_eagerly(model)
        return model


def _operands(plan: Plan) -> list[Operand]:
    """Return what a plan quantises."""
    selector = next(each for each in plan.selectors.values() if each is not None)
    made = []
    for role in ALL_ROLES:
        fmt = getattr(selector.formats, role)
        if fmt is not None:
            made.append(
                Operand(
                    module=plan.name,
                    role=role,
                    fmt=fmt,
                    selector=selector.name,
                    elements=_elements(plan, role),
                )
            )
    for field in fields(AttentionFormats):
        fmt = getattr(selector.formats.attention, field.name)
        if isinstance(fmt, (Mx, CastFormat, SpecFormat)):
            made.append(Operand(module=plan.name, role=field.name, fmt=fmt, selector=selector.name))
    return made


def _elements(plan: Plan, role: str) -> int:
    """Return how many weights a module has."""
    if role != "weight" or not plan.kind.owns_weights:
        return 0
    return sum(
        parameter.numel()
        for name, parameter in plan.module.named_parameters()
        if parameter.ndim >= 2 and not name.endswith("bias")
    )


def _kept(plan: Plan, choose: Choice) -> Plan | None:
    """Return a plan for the operands that are chosen; None where none is."""
    operands = _operands(plan)
    wanted = {operand.role: choose(operand) for operand in operands}
    if not any(fmt is not None for fmt in wanted.values()):
        return None
    # What stays as it is may be another format in each phase.
    wanted = {each.role: wanted[each.role] for each in operands if wanted[each.role] != each.fmt}
    return replace(
        plan,
        selectors={
            phase: None if selector is None else _selector(selector, wanted)
            for phase, selector in plan.selectors.items()
        },
    )


def _selector(selector: Selector, wanted: dict[str, Format | None]) -> Selector:
    """Return a selector with these formats."""
    before = selector.formats
    inside = {name: fmt for name, fmt in wanted.items() if name not in ALL_ROLES}
    roles = {name: fmt for name, fmt in wanted.items() if name in ALL_ROLES}
    formats = replace(before, **roles, attention=replace(before.attention, **inside))  # type: ignore[arg-type]
    same = formats.weight == before.weight
    return replace(
        selector,
        formats=formats,
        gptq=selector.gptq and same,
        clip_search=selector.clip_search if formats.weight is not None else (),
    )
