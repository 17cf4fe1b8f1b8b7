"""quantize_module_transform_pass: replace the modules that a recipe names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar

from torch import Tensor, nn

from plena_cosim.golden import FormatError, HardwareConfig

from . import attention
from .attention_rotation import resolved
from .experts import ExpertWeight, install_experts, weight_names
from .kinds import Kind, kind_of
from .match import choose
from .module_formats import AttentionFormats
from .module_info import ModuleInfo, module_info
from .phase import PhaseClock, PhasedInput, PhaseSwitch
from .quant_config import PassArgs, Phase, Selector, read_quant_config
from .remember import remember_recipe, require_rememberable
from .stored_weight import Store, StoredWeight
from .strict import FiniteInputs
from .twins import Plan, activations, attention_formats, build, check, input_formats

_Model = TypeVar("_Model", bound=nn.Module)


class Numerics(Enum):
    """Who computes in a quantised module."""

    FAKE = "fake"
    """torch, on quantised operands."""
    EXACT = "exact"
    """The machine, bit for bit."""


def quantize_module_transform_pass(
    model: _Model,
    pass_args: PassArgs | Mapping[str, Any],
    *,
    numerics: Numerics | str = Numerics.FAKE,
    hw: HardwareConfig | None = None,
) -> tuple[_Model, dict[str, ModuleInfo]]:
    """Replace each module that a recipe chooses by its quantised twin, in place.

    Args:
        model: any module; it is changed, and returned for convenience. Attention and fused experts
            have to be transformers'.
        pass_args: from `load_quant_config`, or the tables of such a file as a dict.
        numerics: "fake" (quantised operands, torch's arithmetic) or "exact" (the machine's).
        hw: the machine of exact numerics; what the recipe's [hardware] names, else the default one.

    Returns:
        The model, and for each replaced module by name what it became (where prefill and decode
        differ: by name and phase). A weight that is shared with another module (tied embeddings) is
        copied first: the other one keeps its values, and a Hugging Face model is told that the two
        are no longer tied.

    Raises:
        FormatError: a selector matches nothing, a weight is not finite, exact numerics cannot take
            a module, or the recipe asks for a calibration. Nothing has been replaced then.
    """
    recipe = pass_args if isinstance(pass_args, PassArgs) else read_quant_config(dict(pass_args))
    calibration = ("gptq", "scaling", "rotation_search")
    for table, given in ((name, getattr(recipe, name)) for name in calibration):
        if given is not None:
            raise FormatError(
                f"{recipe.source} [{table}]: this version reads the table and does not calibrate; "
                "remove it, and gptq = true from the selectors, to round to nearest"
            )
    require_rememberable(model, recipe)
    dtype = getattr(model, "dtype", None)  # that of some weight, in a transformers model
    info = build_twins(model, recipe, numerics=numerics, hw=hw)
    remember_recipe(
        model,
        recipe,
        numerics=Numerics(numerics).value,
        machine=machine_of(recipe, numerics, hw),
        dtype=dtype,
    )
    return model, info


def build_twins(
    model: nn.Module,
    recipe: PassArgs,
    *,
    numerics: Numerics | str = Numerics.FAKE,
    hw: HardwareConfig | None = None,
    store: Store = StoredWeight,
) -> dict[str, ModuleInfo]:
    """Do the work of the pass; with `store` = StoredWeight.empty, on weights that come later."""
    machine = machine_of(recipe, numerics, hw)
    plans = _plans(model, recipe)
    for plan in plans:
        check(plan, machine, recipe.kv_handover)
    users = _users(model)
    work = _Work(model, recipe, machine, store)
    while (
        plans
    ):  # a module that has been replaced is let go: memory holds one weight twice, not all
        plan = plans.pop(0)
        own = plan.module.parameters(recurse=False)
        work.replace(plan, untied=any(len(users[id(parameter)]) > 1 for parameter in own))
    work.finish()
    return work.info


def machine_of(
    recipe: PassArgs, numerics: Numerics | str, hw: HardwareConfig | None
) -> HardwareConfig | None:
    """Return the machine of exact numerics, None for fake numerics."""
    try:
        kind = Numerics(numerics)
    except ValueError:
        known = ", ".join(member.value for member in Numerics)
        raise FormatError(f"unknown numerics {numerics!r}; known: {known}") from None
    return None if kind is Numerics.FAKE else hw or recipe.hardware or HardwareConfig()


def _plans(model: nn.Module, recipe: PassArgs) -> list[Plan]:
    """Return what becomes of each module that is chosen in some phase, in the model's order."""
    chosen: dict[Phase, dict[str, Selector]] = {
        phase: choose(model, recipe, phase) for phase in Phase
    }
    plans = []
    for name, module in model.named_modules():
        selectors = {phase: chosen[phase].get(name) for phase in Phase}
        kind = kind_of(module)
        if kind is not None and any(selector is not None for selector in selectors.values()):
            plans.append(
                Plan(name=name, module=module, kind=kind, selectors=selectors, source=recipe.source)
            )
    return plans


class _Work:
    """The model under change, and what has been done."""

    def __init__(
        self, model: nn.Module, recipe: PassArgs, hw: HardwareConfig | None, store: Store
    ) -> None:
        self.model, self.recipe, self.hw, self.store = model, recipe, hw, store
        self.numerics = Numerics.FAKE if hw is None else Numerics.EXACT
        self.clock = PhaseClock(recipe.kv_handover)
        self.info: dict[str, ModuleInfo] = {}
        self.places: dict[str, str] = {}
        self.untied = self.phases = self.attention = False

    def replace(self, plan: Plan, *, untied: bool) -> None:
        """Put the twin, or the twins of both phases, in the place of one module."""
        self.untied |= untied
        self.places[plan.name] = plan.where(plan.different()[0])
        if plan.kind is Kind.ATTENTION:
            self._attention(plan)
        elif plan.kind is Kind.EXPERTS:
            self._experts(plan)
        elif plan.kind is Kind.MLP:
            self._mlp(plan)
        else:
            self._plain(plan, untied)

    def finish(self) -> None:
        """Install what concerns the model as a whole."""
        if self.recipe.strict:
            for name, where in self.places.items():
                module = self.model.get_submodule(name)
                module.register_forward_pre_hook(FiniteInputs(where), with_kwargs=True)
        if self.attention:
            attention.use_in(self.model)
        if self.phases:
            self.model.register_forward_pre_hook(self.clock.before_forward, with_kwargs=True)
            self.model.register_forward_hook(self.clock.after_forward, with_kwargs=True)
        config = getattr(self.model, "config", None)
        if self.untied and getattr(config, "tie_word_embeddings", False):
            config.tie_word_embeddings = False  # type: ignore[union-attr]

    def _plain(self, plan: Plan, untied: bool) -> None:
        inputs = input_formats(plan, self.hw) if len(plan.different()) > 1 else None
        twins: dict[Selector, nn.Module] = {}
        for selector in plan.different():
            if inputs is None or not twins:
                twin, weights, rotation = build(plan, selector, self.hw, self.store)
                if inputs is not None:
                    twin.register_forward_pre_hook(PhasedInput(inputs, self.clock))
                    self.phases = True
            twins[selector] = twin.train(plan.module.training)
            pairs = [] if any(before.is_meta for before, _ in weights) else weights
            self._note(plan, selector, pairs, untied=untied, rotation=rotation)
        by_phase = {
            phase: plan.module if selector is None else twins[selector]
            for phase, selector in plan.selectors.items()
        }
        self.model.set_submodule(plan.name, self._switched(by_phase))

    def _mlp(self, plan: Plan) -> None:
        made = {
            selector: activations(plan.module, selector.formats, self.hw, plan.where(selector))
            for selector in plan.different()
        }
        for selector in made:
            self._note(plan, selector, [])
        for name in next(iter(made.values())):
            inner = plan.module.get_submodule(name)
            by_phase = {
                phase: inner if selector is None else made[selector][name]
                for phase, selector in plan.selectors.items()
            }
            plan.module.set_submodule(name, self._switched(by_phase))

    def _experts(self, plan: Plan) -> None:
        (selector,) = plan.different()
        names = weight_names(plan.module)
        before: list[Tensor] = [plan.module.get_parameter(name).detach() for name in names]
        install_experts(
            plan.module, selector.formats, hw=self.hw, where=plan.where(selector), store=self.store
        )
        pairs = [
            (weight, twin.stored)
            for name, weight in zip(names, before, strict=True)
            if isinstance(twin := plan.module.get_submodule(name), ExpertWeight)
            and not weight.is_meta
        ]
        self._note(plan, selector, pairs)

    def _attention(self, plan: Plan) -> None:
        self.attention = True
        selectors = plan.different()
        self.phases |= len(set(plan.selectors.values())) > 1
        where = plan.where(selectors[0])
        attention.install(
            plan.module, attention_formats(plan), hw=self.hw, clock=self.clock, where=where
        )
        for selector in selectors:
            given = selector.formats.attention
            formats = resolved(plan.module, given, plan.where(selector))
            self._note(plan, selector, [], inside=formats)

    def _switched(self, by_phase: Mapping[Phase, nn.Module]) -> nn.Module:
        prefill, decode = by_phase[Phase.PREFILL], by_phase[Phase.DECODE]
        if prefill is decode:
            return prefill
        self.phases = True
        return PhaseSwitch(prefill, decode, self.clock)

    def _note(
        self,
        plan: Plan,
        selector: Selector,
        weights: list[tuple[Tensor, StoredWeight]],
        *,
        untied: bool = False,
        rotation: int | None = None,
        inside: AttentionFormats | None = None,
    ) -> None:
        name = plan.name
        inside = inside or selector.formats.attention
        if len(set(plan.selectors.values())) > 1:
            phases = [phase.value for phase, chosen in plan.selectors.items() if chosen == selector]
            name = f"{name} ({', '.join(phases)})"
        self.info[name] = module_info(
            plan.kind,
            replace(selector.formats, attention=inside),
            weights,
            selector=selector.key,
            numerics=self.numerics.value,
            untied=untied,
            rotation=rotation,
            semantics=selector.semantics if rotation else inside.semantics,
        )


def _users(model: nn.Module) -> dict[int, set[int]]:
    """Return the modules that own each parameter, both by id."""
    users: dict[int, set[int]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            users.setdefault(id(parameter), set()).add(id(module))
    return users
