"""Which formats and options a kind of module takes, and a selector cut to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from plena_cosim.golden import FormatError, Mx

from ..recipe.formats import AttentionFormats, Format, ModuleFormats
from ..recipe.role_format import ROLES
from ..recipe.selector import Selector
from ..recipe.selector_tables import OPERATIONS, OPTIONS
from .module_kind import Kind

_BLOCKS, _SCALAR = "mxint or mxfp", "minifloat"


@dataclass(frozen=True, kw_only=True)
class Takes:
    """What one kind of module takes.

    Attributes:
        roles: family of the format of each role.
        options: which of gptq, clip_search, online_rotate.
        attention: whether it takes the sub-tables of attention.
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    attention: bool = False

    def names(self) -> tuple[str, ...]:
        """Return all that it takes."""
        return (*self.roles, *self.options, *(OPERATIONS if self.attention else ()))

    def words(self) -> str:
        """Return all that it takes, for a message."""
        roles = [f"{role}_ keys in {family}" for role, family in self.roles.items()]
        tables = ["the sub-tables " + ", ".join(OPERATIONS)] if self.attention else []
        return ", ".join([*roles, *self.options, *tables])


TAKES: dict[Kind, Takes] = {
    Kind.LINEAR: Takes(roles=dict.fromkeys(ROLES, _BLOCKS), options=OPTIONS),
    Kind.EXPERTS: Takes(roles=dict.fromkeys(("weight", "data_in"), _BLOCKS), options=("gptq",)),
    Kind.EMBEDDING: Takes(roles={"weight": _BLOCKS}),
    Kind.NORM: Takes(roles={"weight": _SCALAR, "data_in": _SCALAR}),
    Kind.MLP: Takes(roles={"data_in": _SCALAR}),
    Kind.ATTENTION: Takes(attention=True),
}


def fitted(selector: Selector, kind: Kind, module: str, where: str) -> Selector:
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
    takes = TAKES[kind]
    complaint = f"{where}: matches {module!r} ({kind.value}), which takes {takes.words()}; "
    if foreign := sorted(selector.explicit - set(takes.names())):
        raise FormatError(f"{complaint}{', '.join(foreign)} cannot be given")
    kept: dict[str, Format | None] = {}
    for role, family in takes.roles.items():
        fmt: Format | None = getattr(selector.formats, role)
        fits = fmt is None or isinstance(fmt, Mx) == (family == _BLOCKS)
        if not fits and fmt is not None and role in selector.explicit:
            raise FormatError(f"{complaint}{role} is {fmt.name}")
        kept[role] = fmt if fits else None
    attention = selector.formats.attention if takes.attention else AttentionFormats()
    if not selector.explicit and not any(kept.values()) and attention == AttentionFormats():
        raise FormatError(f"{complaint}the table and [defaults] give none of these")
    return replace(
        selector,
        formats=ModuleFormats(**kept, attention=attention),
        gptq=selector.gptq and "gptq" in takes.options,
        clip_search=selector.clip_search if "clip_search" in takes.options else (),
        online_rotate=selector.online_rotate if "online_rotate" in takes.options else None,
    )
