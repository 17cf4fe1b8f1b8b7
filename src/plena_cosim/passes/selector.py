"""One selector table of a recipe: which modules, and what they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plena_cosim.golden import FormatError

from .module_formats import AttentionFormats, CastFormat, Format, KvPosition, ModuleFormats
from .nearest import did_you_mean
from .read_table import Table, read_table
from .role_format import ROLES, SHAPE_KEYS, Shared, family_of, keys_of, role_format
from .tables import OPERATIONS, OPTIONS, SELECTOR_TABLES

CLIP_GRID = tuple(round(1 - step / 20, 2) for step in range(11))
"""The quantiles of `clip_search = true`: 1.0, 0.95 … 0.5."""


@dataclass(frozen=True, kw_only=True)
class Selector:
    """One table of a recipe.

    Attributes:
        key: the text that chooses modules.
        formats: what they become.
        bypass: the modules stay as they are, whatever later selectors say.
        gptq: the weight is the one that [gptq] calibrates.
        clip_search: quantiles from which each weight block's clipping is chosen; empty: no search.
        online_rotate: size of the Hadamard rotation of both operands; True: the largest that
            divides the contraction axis; False: none. See `rotation_size`.
        explicit: the roles, attention operations and options that the table itself names; others
            come from [defaults] and are dropped where a module does not take them.
    """

    key: str
    formats: ModuleFormats
    bypass: bool = False
    gptq: bool = False
    clip_search: tuple[float, ...] = ()
    online_rotate: bool | int = False
    explicit: frozenset[str] = frozenset()

    def rotation_size(self, length: int) -> int | None:
        """Return the size of the rotation along an axis of `length` elements; None without one.

        Raises:
            FormatError: the size does not divide the axis.
        """
        if self.online_rotate is False:
            return None
        if self.online_rotate is True:
            return length & -length
        if length % self.online_rotate:
            raise FormatError(
                f"online_rotate = {self.online_rotate} does not divide the axis of {length} elements"
            )
        return self.online_rotate


def read_selector(
    key: str, given: Mapping[str, Any], defaults: Mapping[str, Any], shared: Shared, where: str
) -> tuple[Selector, frozenset[str]]:
    """Check one selector's table.

    Args:
        key: the text that chooses modules.
        given: the table.
        defaults: keys that it inherits where its `name` allows them.
        shared: what all formats have in common.
        where: file and table, for messages.

    Returns:
        The selector, and the defaults that it took.
    """
    name = given.get("name", defaults.get("name"))
    known = list(SELECTOR_TABLES)
    if name is None:
        raise FormatError(f"{where}: key 'name' is missing; known: {', '.join(known)}")
    if not isinstance(name, str) or name not in known:
        raise FormatError(
            f"{where}: unknown format {name!r}; known: {', '.join(known)}"
            f"{did_you_mean(str(name), known)}"
        )
    kind = SELECTOR_TABLES[name]
    own = read_table(kind, {"name": name, **given}, where).given()
    inherited = _inherited(own, defaults, kind, name)
    values = {**inherited, **own}
    explicit = frozenset(_things(key for key in own if key not in ("name", "bypass")))
    try:
        selector = Selector(
            key=key,
            formats=ModuleFormats(
                **_roles(name, values, explicit, shared),
                attention=_attention(values, shared),
            ),
            bypass=values.get("bypass", False),
            explicit=explicit,
            **_options(values, explicit),
        )
        _require_purpose(selector, values)
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from None
    taken = frozenset(inherited) | ({"name"} if "name" not in given else frozenset())
    return selector, taken


def _things(keys: Any) -> list[str]:
    """Return the roles, operations and options that keys belong to."""
    return [next((role for role in ROLES if key.startswith(f"{role}_")), key) for key in keys]


def _inherited(
    own: Mapping[str, Any], defaults: Mapping[str, Any], kind: type[Table], name: str
) -> dict[str, Any]:
    found = {}
    for key, value in defaults.items():
        if key in own or key not in kind.model_fields or key == "name":
            continue
        role = next((role for role in ROLES if key.startswith(f"{role}_")), None)
        if role is not None and keys_of(role, [key]):
            family = _own_family(role, own, name)
            if key not in [f"{role}_{shape}" for shape in SHAPE_KEYS[family]]:
                continue
        found[key] = value
    for role in ROLES:
        theirs = [key for key in found if key.startswith(f"{role}_")]
        mine = [key for key in own if key.startswith(f"{role}_")]
        complete = {f"{role}_{shape}" for shape in SHAPE_KEYS[name]} <= set(theirs)
        if not mine and not complete:
            for key in theirs:
                del found[key]
    return found


def _own_family(role: str, own: Mapping[str, Any], name: str) -> str:
    if name == "minifloat":
        return name
    if f"{role}_width" in own:
        return "mxint"
    floats = (f"{role}_exponent_width", f"{role}_frac_width")
    return "mxfp" if any(key in own for key in floats) else name


def _roles(
    name: str, values: Mapping[str, Any], explicit: frozenset[str], shared: Shared
) -> dict[str, Format | None]:
    present = [role for role in ROLES if keys_of(role, values)]
    families = {}
    for role in present:
        family = "minifloat" if name == "minifloat" else family_of(role, values)
        if family == "minifloat" != name and present != ["data_in"]:
            family = "mxfp"  # a block size is missing; only an activation's format goes without
        families[role] = family
    blocks = {family for family in families.values() if family != "minifloat"}
    if name != "minifloat" and blocks and name not in blocks:
        keys = [key for role in present for key in keys_of(role, values)]
        raise FormatError(
            f"name = {name!r}, but {', '.join(keys)} are keys of {blocks.pop()}; "
            "change the name or the keys"
        )
    formats: dict[str, Format | None] = {}
    for role in ROLES:
        try:
            formats[role] = role_format(role, values, families.get(role, name), shared)
        except FormatError as error:
            raise FormatError(f"{role}: {error}") from None
    return formats


def _attention(values: Mapping[str, Any], shared: Shared) -> AttentionFormats:
    found: dict[str, Any] = {}
    for operation in OPERATIONS:
        table = values.get(operation)
        if table is None:
            continue
        keys = table.given()
        bypass = keys.get("bypass", False)
        try:
            fmt = role_format("data_in", keys, family_of("data_in", keys), shared)
        except FormatError as error:
            raise FormatError(f"{operation}: {error}") from None
        if fmt is None and not bypass:
            raise FormatError(
                f"{operation}: quantises nothing; give data_in_ keys or bypass = true"
            )
        found[operation] = None if bypass else fmt
        if operation == "kv_cache":
            found["kv_position"] = KvPosition(table.position)
    return AttentionFormats(**found)


def _options(values: Mapping[str, Any], explicit: frozenset[str]) -> dict[str, Any]:
    gptq, clip, rotate = (values.get(key, False) for key in OPTIONS)
    grid = CLIP_GRID if clip is True else tuple(clip or ())
    if clip == [] or not all(0 < quantile <= 1 for quantile in grid):
        raise FormatError(f"clip_search must be true, false or quantiles in (0, 1], got {clip!r}")
    if not isinstance(rotate, bool) and (rotate < 2 or rotate & (rotate - 1)):
        raise FormatError(
            f"online_rotate must be true, false or a power of two from 2, got {rotate!r}"
        )
    if gptq and grid:
        if {"gptq", "clip_search"} & explicit in ({"gptq", "clip_search"}, set()):
            raise FormatError(
                "gptq and clip_search exclude each other: clip_search is for weights that are "
                "rounded to nearest; see quantile_search of [gptq]"
            )
        gptq, grid = ("gptq" in explicit, () if "gptq" in explicit else grid)
    weight = keys_of("weight", values)
    for key, value in (("gptq", gptq), ("clip_search", grid)):
        if value and not weight:
            if key in explicit:
                raise FormatError(f"{key} needs the format of the weight; give weight_ keys")
            gptq, grid = (False, grid) if key == "gptq" else (gptq, ())
    return {"gptq": gptq, "clip_search": grid, "online_rotate": rotate}


def _require_purpose(selector: Selector, values: Mapping[str, Any]) -> None:
    named = [key for key in values if key not in ("name", "bypass")]
    if not selector.bypass and not named:
        raise FormatError(
            "quantises nothing; give weight_, data_in_ or bias_ keys, a sub-table such as "
            "kv_cache, or bypass = true"
        )


def is_scalar(fmt: Format) -> bool:
    """Return whether a format casts each element on its own."""
    return isinstance(fmt, CastFormat)
