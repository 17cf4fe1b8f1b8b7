"""replace_modules: put the quantised modules of a model in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from plena_cosim.golden import HardwareConfig

from ..modules.module_kind import BuildRequest, Built, ModuleKind
from ..modules.phase import PhaseClock, PhasedFormat, PhaseSwitch
from ..modules.strict import FiniteInputs
from ..plan.plan import Plan
from ..recipe.draws import DrawsOf, note_draws
from ..recipe.numerics import Numerics
from ..recipe.recipe import Phase, Recipe
from ..recipe.role_format import ALL_ROLES
from ..recipe.selector import Selector
from ..recipe.spec_format import SpecFormat
from ..weights.packed_weight import PackedWeight, WeightFactory
from ..weights.spec_tensor import CalibratedWeight
from ..weights.spec_values import Range, Ranges
from .carry_hooks import carry_hooks
from .module_info import ModuleInfo, module_info


def replace_modules(
    root: nn.Module,
    plans: list[Plan],
    recipe: Recipe,
    hw: HardwareConfig | None,
    *,
    store: WeightFactory = PackedWeight,
    calibrated: Mapping[str, CalibratedWeight] | None = None,
    ranges: Ranges | None = None,
) -> dict[str, ModuleInfo]:
    """Replace the modules of `root` that plans name; `check` has said of each that it can be done.

    Args:
        root: a model, or one part of it that plans are relative to.
        plans: emptied on the way, so that memory holds one weight twice, not all.
        recipe: where they come from.
        hw: the machine of exact numerics; None for fake numerics.
        store: PackedWeight.empty where weights come later.
        calibrated: weights by module name, for selectors with gptq.
        ranges: of inputs and outputs with a static range.

    Returns:
        What each module became, by its name; where prefill and decode differ: by name and phase.
    """
    users = _users(root)
    work = _Work(root, recipe, hw, store, calibrated or {}, ranges or {})
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
        recipe: Recipe,
        hw: HardwareConfig | None,
        store: WeightFactory,
        calibrated: Mapping[str, CalibratedWeight],
        ranges: Ranges,
    ) -> None:
        self.model, self.recipe, self.hw, self.store = model, recipe, hw, store
        self.calibrated, self.ranges = calibrated, ranges
        self.numerics = Numerics.FAKE if hw is None else Numerics.EXACT
        self.clock = PhaseClock(recipe.kv_handover)
        self.draws = DrawsOf(recipe.seed)
        self.info: dict[str, ModuleInfo] = {}
        self.places: dict[str, str] = {}
        self.names: dict[int, list[str]] = {}
        for name, module in model.named_modules(remove_duplicate=False):
            self.names.setdefault(id(module), []).append(name)
        self.kinds: dict[ModuleKind, None] = {}
        self.untied = self.phases = False

    def replace(self, plan: Plan, *, untied: bool) -> None:
        """Put quantised modules, or those of both phases, in the place of one module's parts."""
        plan = replace(plan, selectors=self.draws.selectors(plan.name, plan.selectors))
        where = plan.where(plan.different()[0])
        self.untied |= untied
        self.phases |= plan.phases_differ()
        self.places[plan.name], self.kinds[plan.kind] = where, None
        made = self._built(plan)
        for selector, built in made.items():
            self._note(plan, selector, built, untied=untied)
        plan.kind.install(plan.phased(self.hw), self.clock)
        for part in next(iter(made.values())).modules:
            by_phase = {
                phase: plan.module.get_submodule(part)
                if selector is None
                else made[selector].modules[part]
                for phase, selector in plan.selectors.items()
            }
            made_of = self._switched(by_phase)
            if not part:
                carry_hooks(plan.module, made_of)
                for name in self.names[id(self.model.get_submodule(plan.name))]:
                    self.model.set_submodule(name, made_of)
                continue
            if part in plan.module._modules:
                carry_hooks(plan.module.get_submodule(part), made_of)
            plan.module._parameters.pop(part, None)
            plan.module.add_module(part, made_of)

    def finish(self) -> None:
        """Install what concerns the model as a whole."""
        note_draws(self.model, self.draws)
        if self.recipe.strict:
            for name, where in self.places.items():
                module = self.model.get_submodule(name)
                module.register_forward_pre_hook(FiniteInputs(where), with_kwargs=True)
        for kind in self.kinds:
            kind.finish(self.model)
        if self.phases:
            self.clock.watch(self.model)
        config = getattr(self.model, "config", None)
        if self.untied and getattr(config, "tie_word_embeddings", False):
            config.tie_word_embeddings = False  # type: ignore[union-attr]
            _separate(self.model)

    def _built(self, plan: Plan) -> dict[Selector, Built]:
        """Return what each selector makes: one thing for all if only the input's format changes."""
        selectors = plan.different()
        inputs = plan.input_formats(self.hw) if len(selectors) > 1 else None
        if inputs is None:
            return {selector: self._build(plan, selector) for selector in selectors}
        built = self._build(plan, selectors[0])
        for module in built.modules.values():
            module.input = PhasedFormat(inputs, self.clock)  # type: ignore[assignment]
        return dict.fromkeys(selectors, built)

    def _build(self, plan: Plan, selector: Selector) -> Built:
        where = plan.where(selector)
        calibrated: dict[str, CalibratedWeight] = {}
        if selector.gptq:
            for part in plan.kind.weight_blocks(plan.module, where):
                found = self.calibrated.get(f"{plan.name}.{part}" if part else plan.name)
                calibrated |= {} if found is None else {part: found}
        built = plan.kind.build(
            BuildRequest(
                module=plan.module,
                selector=selector,
                hw=self.hw,
                where=where,
                store=self.store,
                calibrated=calibrated,
                ranges=self._ranges_of(plan.name, selector),
            )
        )
        for module in built.modules.values():
            module.train(plan.module.training)
        return built

    def _ranges_of(self, name: str, selector: Selector) -> dict[str, Sequence[Range | None]]:
        found: dict[str, Sequence[Range | None]] = {}
        for role in ALL_ROLES:
            fmt = getattr(selector.formats, role)
            if isinstance(fmt, SpecFormat):
                given = self.ranges.get((name, role, fmt, selector.online_rotate))
                found |= {} if given is None else {role: given}
        return found

    def _switched(self, by_phase: Mapping[Phase, nn.Module]) -> nn.Module:
        prefill, decode = by_phase[Phase.PREFILL], by_phase[Phase.DECODE]
        return prefill if prefill is decode else PhaseSwitch(prefill, decode, self.clock)

    def _note(self, plan: Plan, selector: Selector, built: Built, *, untied: bool) -> None:
        name, inside = plan.name, built.attention or selector.formats.attention
        formats = replace(selector.formats, attention=inside)
        if plan.taken_by:
            formats = replace(formats, data_in=None)
        if plan.phases_differ():
            phases = [phase.value for phase, chosen in plan.selectors.items() if chosen == selector]
            name = f"{name} ({', '.join(phases)})"
        self.info[name] = module_info(
            plan.kind,
            formats,
            [(before, after) for before, after in built.weights if not before.is_meta],
            selector=selector.name,
            numerics=self.numerics.value,
            untied=untied,
            rotation=built.rotation,
            semantics=selector.semantics if built.rotation else inside.semantics,
        )


def _separate(model: nn.Module) -> None:
    """Give each module parameters of its own: no other tie outlives tie_word_embeddings in a file.

    Zamba2 ties layers to each other too, and only ties embeddings and layers at once.
    """
    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen:
                copy = nn.Parameter(parameter.detach().clone(), parameter.requires_grad)
                module.register_parameter(name, copy)
            seen.add(id(parameter))


def _users(model: nn.Module) -> dict[int, set[int]]:
    """Return the modules that own each parameter, both by id."""
    users: dict[int, set[int]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            users.setdefault(id(parameter), set()).add(id(module))
    return users
