"""Which module is chosen by which selector of a recipe."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping

from torch import nn

from plena_cosim.golden import FormatError
from plena_cosim.ground.did_you_mean import did_you_mean

from ..kinds import all_kinds, kind_of, obstacle
from ..recipe.recipe import MatchBy, Phase, Recipe
from ..recipe.selector import Selector
from .accepted_formats import fitted
from .fused_slices import FusedSlices
from .online_rotation import OnlineRotations


def choose(model: nn.Module, pass_args: Recipe, phase: Phase | None = None) -> dict[str, Selector]:
    """Return the selector of each module that one chooses; the first in the recipe wins.

    Args:
        model: any module.
        pass_args: the recipe.
        phase: take the selectors of this phase before those of the file.

    Returns:
        By the module's name (of a module with several, the first; any of them matches), in the
        order of the model; formats are those that the module's kind
        takes. A parent (attention) and its children (projections) may both be chosen, but nothing
        inside experts that are chosen themselves.

    Raises:
        FormatError: a selector or exclusion matches nothing, nothing that a recipe can change, or
            nothing that earlier ones have left; or its keys do not fit a module's kind; or
            [rotation] names what is not there, or not quantised.
    """
    matcher = _Matcher(model, pass_args)
    chosen = matcher.of_phase(phase)
    rotations = OnlineRotations(pass_args.rotation, matcher.kinds, pass_args.source)
    if pass_args.rotation is not None and pass_args.rotation.online:
        others = any(pass_args.phases.values())
        rotations.check([matcher.of_phase(each) for each in Phase] if others else [chosen])
    return rotations.applied(chosen)


def excluded_modules(model: nn.Module, recipe: Recipe) -> set[str]:
    """Return the names of the modules that `exclude` takes out, of those that have a kind.

    Raises:
        FormatError: an exclusion matches nothing.
    """
    matcher = _Matcher(model, recipe)
    return set(matcher.excluded()) & set(matcher.kinds)


def told_to_stay(model: nn.Module, recipe: Recipe, phase: Phase | None = None) -> dict[str, str]:
    """Return what of a recipe says of a module that it stays as it is, by the module's name.

    Args:
        model: any module.
        recipe: checked.
        phase: take the selectors of this phase before those of the file.

    Raises:
        FormatError: as `choose`.
    """
    matcher = _Matcher(model, recipe)
    decided = matcher.decided(phase)
    bypassed = {
        name: f"[{selector.name}] says bypass = true"
        for name, selector in decided.items()
        if selector.bypass
    }
    enclosed = {
        name: f"is inside {owner}, which is one module"
        for owner in matcher.closed(decided)
        for name in matcher.modules
        if name.startswith(f"{owner}.")
    }
    return {**enclosed, **bypassed, **matcher.excluded()}


class _Matcher:
    """The modules of one model against the patterns of one recipe."""

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        modules = {name: module for name, module in model.named_modules() if name}
        first = {id(module): name for name, module in modules.items()}
        kinds = {name: kind for name, module in modules.items() if (kind := kind_of(module))}
        self.names = {
            name: first[id(module)]
            for name, module in model.named_modules(remove_duplicate=False)
            if id(module) in first
        }
        self.modules, self.kinds, self.recipe = modules, kinds, recipe
        self.slices = FusedSlices(modules, kinds)

    def of_phase(self, phase: Phase | None) -> dict[str, Selector]:
        """Return the selectors of what is changed in a phase, None: by those of the file alone."""
        base = self.decided(phase)
        closed = tuple(f"{name}." for name in self.closed(base))
        return {
            name: base[name]
            for name in self.modules
            if name in base and not base[name].bypass and not name.startswith(closed)
        }

    def closed(self, decided: Mapping[str, Selector]) -> list[str]:
        """Return the chosen modules inside of which nothing is chosen on its own."""
        return [name for name in decided if self.kinds[name].encloses]

    def decided(self, phase: Phase | None) -> dict[str, Selector]:
        """Return the selector that decides about each module, those that leave it included."""
        taken = self.excluded()
        base = self.chosen(self.recipe.selectors, dict(taken))
        if phase is not None and self.recipe.phases.get(phase):
            where = f"phase.{phase.value}."
            first = self.chosen(self.recipe.phases[phase], dict(taken), where)
            base = {**base, **first}
        return base

    def excluded(self) -> dict[str, str]:
        """Return what takes each excluded module, of whatever kind, by its name."""
        taken: dict[str, str] = {}
        for pattern in self.recipe.exclude:
            what = f"exclude {pattern!r}"
            where = f"{self.recipe.source}: {what}"
            matched = self._matches(pattern, where)
            roots = self.slices.owners_of_all(matched, where)
            inside = [
                name
                for name in self.modules
                if any(name == root or name.startswith(f"{root}.") for root in roots)
            ]
            if self.kinds.keys().isdisjoint(inside):
                raise FormatError(f"{where}: {self._nothing_to_change(roots)}")
            for name in inside:
                taken.setdefault(name, what)
        return taken

    def chosen(
        self, selectors: tuple[Selector, ...], taken: dict[str, str], group: str = ""
    ) -> dict[str, Selector]:
        """Return the selector of each module; `taken` says what has left which out."""
        found: dict[str, Selector] = {}
        parts: dict[str, dict[str, Selector]] = {}
        owners = self.slices.owner
        places = [f"{self.recipe.source} [{group}{selector.name}]" for selector in selectors]
        all_matched = [
            self._matches_of(selector, where)
            for selector, where in zip(selectors, places, strict=True)
        ]
        # What any selector names as a whole is not chosen by its slices, too.
        whole = {name for matched in all_matched for name in matched if name in self.modules}
        for selector, where, matched in zip(selectors, places, all_matched, strict=True):
            able = [
                name
                for name in matched
                if name in self.kinds
                or (name in owners and (owners[name] not in whole or owners[name] in taken))
            ]
            if not able and not selector.optional:
                raise FormatError(f"{where}: {self._nothing_to_change(matched)}")
            free = [name for name in able if not {name, owners.get(name)} & set(taken)]
            if not free and not selector.optional:
                earlier = ", ".join(
                    dict.fromkeys(taken.get(name) or taken[owners[name]] for name in able)
                )
                raise FormatError(
                    f"{where}: all that it matches ({able[0]!r} …) is taken by {earlier} before "
                    "it; put it first or remove it"
                )
            for name in free:
                owner = owners.get(name)
                kind, module = self.kinds[owner or name], owner or name
                made = fitted(selector, kind, module, where)
                taken[name] = f"[{group}{selector.name}]"
                if owner is None:
                    found[name] = made
                else:
                    parts.setdefault(owner, {})[name] = made
        for owner, made_of in parts.items():
            where = f"{self.recipe.source} [{group}{next(iter(made_of.values())).name}]"
            found[owner] = self.slices.together(owner, made_of, where)
        return found

    def _matches_of(self, selector: Selector, where: str) -> list[str]:
        """Return the modules that a selector is about, whether or not earlier ones have them."""
        matched = self._matches(selector.key, where, optional=selector.optional)
        if not selector.types:
            return matched
        wanted = set(map(str.lower, selector.types))
        kept = [
            name
            for name in matched
            if name in self.modules and wanted & set(map(str.lower, self._types(name)))
        ]
        if not kept and not selector.optional:
            known = sorted({type(self.modules[name]).__name__ for name in matched})
            raise FormatError(
                f"{where}: matches no {' or '.join(selector.types)}, only {', '.join(known)}; "
                "change type, or say optional = true"
            )
        return kept

    def _matches(self, pattern: str, where: str, *, optional: bool = False) -> list[str]:
        by = self.recipe.by
        matched = {
            first: None
            for name, first in self.names.items()
            if _matches(pattern, name, self._types(first), by)
        }
        slices = {} if by is MatchBy.TYPE else self.slices.owner
        matched |= {name: None for name in slices if _matches(pattern, name, set(), by)}
        if not matched and not optional:
            known = {name: self.modules[first] for name, first in self.names.items()}
            known |= {name: self.modules[owner] for name, owner in self.slices.owner.items()}
            raise FormatError(f"{where}: {_no_match(pattern, known, by)}")
        return list(matched)

    def _types(self, name: str) -> set[str]:
        """Return the names of a module's class and, if it has a kind, of torch's above it."""
        own = type(self.modules[name])
        above = own.__mro__ if name in self.kinds else ()
        known = [base for base in above if base.__module__.startswith("torch.nn.modules.")]
        return {own.__name__} | {base.__name__ for base in known if base is not nn.Module}

    def _nothing_to_change(self, matched: list[str]) -> str:
        found = {name: self.modules[self.slices.owner.get(name, name)] for name in matched}
        for name, module in found.items():
            if why := obstacle(module):
                return f"matches {name!r}, whose class {type(module).__name__} {why}"
        types = sorted({type(module).__name__ for module in found.values()})
        able = ", ".join(kind.name for kind in all_kinds())
        return (
            f"matches {matched[0]!r} ({', '.join(types)}), but a recipe changes only these kinds "
            f"of modules: {able}"
        )


def _matches(pattern: str, name: str, types: Iterable[str], by: MatchBy) -> bool:
    if by is MatchBy.REGEX_NAME:
        return re.fullmatch(pattern, name) is not None
    if by is MatchBy.GLOB:
        return fnmatch.fnmatchcase(name, pattern)
    if by is MatchBy.GLOB_OR_TYPE:
        return any(fnmatch.fnmatchcase(each, pattern) for each in (name, *types))
    if by is MatchBy.NAME:
        return pattern == name
    return pattern.lower() in map(str.lower, types)


def _no_match(pattern: str, modules: Mapping[str, nn.Module | None], by: MatchBy) -> str:
    if by is MatchBy.TYPE:
        known = sorted({type(module).__name__ for module in modules.values() if module is not None})
        return (
            f"no module of that type; the model has {', '.join(known)}"
            f"{did_you_mean(pattern, known)}"
        )
    or_class, types = "", set[str]()
    if by is MatchBy.GLOB_OR_TYPE:
        types = {type(module).__name__ for module in modules.values() if module is not None}
        or_class = f", nor a class of it ({', '.join(sorted(types))})"
    literal = pattern.replace("\\d+", "0").replace("*", "0").replace("\\", "").rstrip("$")
    return (
        "matches no module of the model (the whole name counts, such as "
        f"{next(iter(modules), '')!r}){or_class}{did_you_mean(literal, [*modules, *types])}"
    )
