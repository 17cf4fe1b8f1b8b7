"""Install: put the twins of a model's modules in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum

from torch import Tensor, nn

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import HardwareConfig

from ..attention import hooks as attention
from ..attention.rotation import resolved
from ..modules.experts import ExpertWeight, install_experts, weight_names
from ..modules.phase import PhaseClock, PhasedInput, PhaseSwitch
from ..modules.strict import FiniteInputs
from ..plan.module_kind import Kind
from ..recipe.formats import AttentionFormats
from ..recipe.load import PassArgs, Phase, Selector
from ..weights.packed_weight import Store, StoredWeight
from .build import Plan, activations, attention_formats, build, input_formats
from .module_info import ModuleInfo, module_info


class Numerics(Enum):
    """Who computes in a quantised module."""

    FAKE = "fake"
    """torch, on quantised operands."""
    EXACT = "exact"
    """The machine, bit for bit."""


def install_twins(
    root: nn.Module,
    plans: list[Plan],
    recipe: PassArgs,
    hw: HardwareConfig | None,
    *,
    store: Store = StoredWeight,
    calibrated: Mapping[str, MxTensor] | None = None,
) -> dict[str, ModuleInfo]:
    """Replace the modules of `root` that plans name; `check` has said of each that it can be done.

    Args:
        root: a model, or one part of it that plans are relative to.
        plans: emptied on the way, so that memory holds one weight twice, not all.
        recipe: where they come from.
        hw: the machine of exact numerics; None for fake numerics.
        store: StoredWeight.empty where weights come later.
        calibrated: weights by module name, for selectors with gptq.
    """
    users = _users(root)
    work = _Work(root, recipe, hw, store, calibrated or {})
    while plans:
        plan = plans.pop(0)
        own = plan.module.parameters(recurse=False)
        work.replace(plan, untied=any(len(users[id(parameter)]) > 1 for parameter in own))
    work.finish()
    return work.info


class _Work:
    """The model under change, and what has been done."""

    def __init__(
        self,
        model: nn.Module,
        recipe: PassArgs,
        hw: HardwareConfig | None,
        store: Store,
        calibrated: Mapping[str, MxTensor],
    ) -> None:
        self.model, self.recipe, self.hw, self.store = model, recipe, hw, store
        self.calibrated = calibrated
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
                found = self.calibrated.get(plan.name) if selector.gptq else None
                twin, weights, rotation = build(plan, selector, self.hw, self.store, found)
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
        for name in names if selector.gptq else []:
            twin, given = (
                plan.module.get_submodule(name),
                self.calibrated.get(f"{plan.name}.{name}"),
            )
            if isinstance(twin, ExpertWeight) and given is not None:
                twin.stored = twin.stored.with_values(given)
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
