"""Which module is chosen by which selector of a recipe."""

from __future__ import annotations

import re

from torch import nn

from plena_cosim.golden import FormatError

from .nearest import did_you_mean
from .quant_config import MatchBy, PassArgs, Selector


def choose(model: nn.Module, pass_args: PassArgs) -> dict[str, Selector]:
    """Return the selector of each nn.Linear that one chooses; the first in the recipe wins.

    Raises:
        FormatError: a selector matches no module, or none that is an nn.Linear.
    """
    modules = {name: module for name, module in model.named_modules() if name}
    chosen: dict[str, Selector] = {}
    for selector in pass_args.selectors:
        matched = [
            name
            for name, module in modules.items()
            if _matches(selector, name, module, pass_args.by)
        ]
        where = f"{pass_args.source} [{selector.key}]"
        if not matched:
            raise FormatError(_no_match(where, selector, modules, pass_args.by))
        linear = [name for name in matched if type(modules[name]) is nn.Linear]
        if not linear and not selector.bypass:
            kinds = sorted({type(modules[name]).__name__ for name in matched})
            raise FormatError(
                f"{where}: matches {matched[0]!r} ({', '.join(kinds)}), but only nn.Linear can be "
                "replaced so far"
            )
        for name in linear:
            chosen.setdefault(name, selector)
    return {name: selector for name, selector in chosen.items() if not selector.bypass}


def _matches(selector: Selector, name: str, module: nn.Module, by: MatchBy) -> bool:
    if by is MatchBy.REGEX_NAME:
        return re.fullmatch(selector.key, name) is not None
    if by is MatchBy.NAME:
        return selector.key == name
    return selector.key.lower() == type(module).__name__.lower()


def _no_match(where: str, selector: Selector, modules: dict[str, nn.Module], by: MatchBy) -> str:
    if by is MatchBy.TYPE:
        known = sorted({type(module).__name__ for module in modules.values()})
        return (
            f"{where}: no module of that type; the model has {', '.join(known)}"
            f"{did_you_mean(selector.key, known)}"
        )
    literal = selector.key.replace("\\d+", "0").replace("\\", "")
    return (
        f"{where}: matches no module of the model (the whole name counts, such as "
        f"{next(iter(modules), '')!r}){did_you_mean(literal, modules)}"
    )
