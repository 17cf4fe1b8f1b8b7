"""A selector cut to what a kind of module takes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from plena_cosim.golden import FormatError, Mx

from ..modules.module_kind import BLOCKS, AcceptedFormats, ModuleKind
from ..recipe.formats import AttentionFormats, Format, ModuleFormats
from ..recipe.role_format import ALL_ROLES
from ..recipe.selector import Selector
from ..recipe.selector_tables import OPTIONS
from ..recipe.spec_format import SpecFormat

NOTHING: dict[str, Any] = {
    entry.name: entry.default for entry in fields(Selector) if entry.name in OPTIONS
}
"""Each option of a selector that does not say so."""


def fitted(selector: Selector, kind: ModuleKind, module: str, where: str) -> Selector:
    """Return the selector with what a module of this kind takes.

    Args:
        selector: what the recipe says.
        kind: of the module.
        module: its name, for messages.
        where: file and table, for messages.

    Raises:
        FormatError: the selector's own keys do not fit; what it has from [defaults] is dropped.
    """
    if selector.bypass:
        return selector
    takes = kind.accepts
    complaint = f"{where}: matches {module!r} ({kind.name}), which takes {takes.words()}; "
    if foreign := sorted(selector.explicit - set(takes.names())):
        raise FormatError(f"{complaint}{', '.join(foreign)} cannot be given")
    kept: dict[str, Format | None] = {}
    for role in ALL_ROLES:
        fmt: Format | None = getattr(selector.formats, role)
        fits = fmt is None or _fits(fmt, role, takes)
        if not fits and fmt is not None and role in selector.explicit:
            raise FormatError(f"{complaint}{role} is {fmt.name}")
        kept[role] = fmt if fits else None
    attention = selector.formats.attention if takes.attention else AttentionFormats()
    if not selector.explicit and not any(kept.values()) and attention == AttentionFormats():
        raise FormatError(f"{complaint}the table and [defaults] give none of these")
    return replace(
        selector,
        formats=ModuleFormats(**kept, attention=attention),
        **{option: NOTHING[option] for option in OPTIONS if option not in takes.options},
    )


def _fits(fmt: Format, role: str, takes: AcceptedFormats) -> bool:
    if role not in takes.roles or isinstance(fmt, SpecFormat):
        return role in takes.spec
    return isinstance(fmt, Mx) == (takes.roles[role] == BLOCKS)
