"""From one selector table of a recipe to a Selector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plena_cosim.golden import FormatError
from plena_cosim.golden.hadamard_sizes import HADAMARD_SIZES, hadamard_order, nearest_hadamard_sizes
from plena_cosim.ground.did_you_mean import did_you_mean

from .defaults import inherited
from .formats import AttentionFormats, Format, KvPosition, ModuleFormats
from .read_table import read_table
from .role_format import (
    ALL_ROLES,
    ROLES,
    FormatDefaults,
    family_of,
    role_format,
    role_of,
    shape_keys,
)
from .selector import CLIP_GRID, LARGEST_ROTATION, Selector
from .selector_tables import OPERATIONS, ROTATING, ROTATIONS, SELECTION, SELECTOR_TABLES, SPEC
from .spec_table import spec_format


def read_selector(
    key: str,
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
    shared: FormatDefaults,
    where: str,
    *,
    place: str = "",
) -> tuple[Selector, frozenset[str]]:
    """Check one selector's table.

    Args:
        key: the text that chooses modules.
        given: the table.
        defaults: keys that it inherits.
        shared: what all formats have in common.
        where: file and table, for messages.
        place: what messages call it, if not by its key.

    Returns:
        The selector, and the keys that it has from [defaults].

    Raises:
        FormatError: the table is wrong; the message names `where` and the key.
    """
    whole_name = _name(given.get("name", defaults.get("name")), where)
    kind = SELECTOR_TABLES[whole_name]
    name = whole_name.removesuffix(ROTATING)
    own = read_table(kind, {**given, "name": whole_name}, where).given()
    taken = inherited(own, defaults, kind, name)
    rotates = whole_name != name
    try:
        own = _in_own_words(own)
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from None
    values = {**taken, **own}
    if rotates and any(map(role_of, values)):
        values.setdefault("online_rotate", True)
    explicit = frozenset(role_of(key) or key for key in own if key not in SELECTION)
    try:
        selector = Selector(
            key=key,
            formats=ModuleFormats(
                **_roles(name, values, shared),
                attention=_attention(values, shared, rotates=rotates),
            ),
            bypass=values.get("bypass", False),
            types=_types(values.get("type", [])),
            optional=values.get("optional", False),
            place=place,
            explicit=explicit,
            **_options(values, explicit),
        )
        if not selector.bypass and not set(values) - set(SELECTION):
            keys = (
                f"{', '.join(ALL_ROLES)} or softmax_out"
                if name == SPEC
                else "weight_, data_in_ or bias_ keys, a sub-table such as kv_cache,"
            )
            raise FormatError(f"quantises nothing; give {keys} or bypass = true")
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from None
    return selector, frozenset(taken) | ({"name"} - set(given))


def _name(name: Any, where: str) -> str:
    known = list(SELECTOR_TABLES)
    if name is None:
        raise FormatError(f"{where}: key 'name' is missing; known: {', '.join(known)}")
    if not isinstance(name, str) or name not in known:
        raise FormatError(
            f"{where}: unknown format {name!r}; known: {', '.join(known)}"
            f"{did_you_mean(str(name), known)}"
        )
    return name


def _types(given: str | list[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _spec(values: Mapping[str, Any], role: str) -> Format | None:
    """Return the format of a role that is a table, or a list of them."""
    given = values.get(role)
    if given is None:
        return None
    try:
        return spec_format(given if isinstance(given, list) else [given])
    except FormatError as error:
        raise FormatError(f"{role}: {error}") from None


def _roles(
    name: str, values: Mapping[str, Any], shared: FormatDefaults
) -> dict[str, Format | None]:
    if name == SPEC:
        return {role: _spec(values, role) for role in ALL_ROLES}
    present = [role for role in ROLES if shape_keys(role, values)]
    families = {role: _family(role, name, values, alone=len(present) == 1) for role in present}
    blocks = {family for family in families.values() if family != "minifloat"}
    if blocks and name not in blocks:
        keys = [key for role in present for key in shape_keys(role, values)]
        raise FormatError(
            f"name = {name!r}, but {', '.join(keys)} are keys of {', '.join(blocks)}; "
            "change the name or the keys"
        )
    formats: dict[str, Format | None] = {}
    for role in ROLES:
        try:
            formats[role] = role_format(role, values, families.get(role, name), shared)
        except FormatError as error:
            raise FormatError(f"{role}: {error}") from None
    return formats


def _family(role: str, name: str, values: Mapping[str, Any], *, alone: bool) -> str:
    """Return the family of a role by its keys.

    The reference writes the format of an activation function without a block size into a table of
    mxint or mxfp; beside other roles a block size has been forgotten.
    """
    if name == "minifloat":
        return name
    family = family_of(role, values)
    return "mxfp" if family == "minifloat" and not (role == "data_in" and alone) else family


def _in_own_words(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a table with `rotate` as `online_rotate`, without what changes nothing."""
    found = {key: keys[key] for key in keys if key not in ("rotate", "force_fp32_had")}
    said = keys.get("rotate")
    if said is not None and bool(found.setdefault("online_rotate", said)) != said:
        raise FormatError("rotate and online_rotate contradict each other; remove one of them")
    return found


def _attention(
    values: Mapping[str, Any], shared: FormatDefaults, *, rotates: bool
) -> AttentionFormats:
    found: dict[str, Any] = {"softmax_out": _spec(values, "softmax_out")}
    for operation in OPERATIONS:
        table = values.get(operation)
        if table is None:
            continue
        keys = table.given()
        try:
            keys = _in_own_words(keys)
        except FormatError as error:
            raise FormatError(f"{operation}: {error}") from None
        if rotates and operation in ROTATIONS:
            keys.setdefault("online_rotate", True)
        bypass = keys.pop("bypass", False)
        position = keys.pop("position", KvPosition.POST_ROPE.value)
        rotate = keys.pop("online_rotate", None)
        try:
            fmt = role_format("data_in", keys, family_of("data_in", keys), shared)
            wanted = None if rotate is None or bypass else _rotation(rotate) or 0
        except FormatError as error:
            raise FormatError(f"{operation}: {error}") from None
        if fmt is None and not bypass:
            raise FormatError(
                f"{operation}: quantises nothing; give data_in_ keys or bypass = true"
            )
        found[operation] = None if bypass else fmt
        if operation in ROTATIONS:
            found[ROTATIONS[operation]] = wanted
        if operation == "kv_cache":
            found["kv_position"] = KvPosition(position)
    return AttentionFormats(**found)


def _options(values: Mapping[str, Any], explicit: frozenset[str]) -> dict[str, Any]:
    gptq, grid = values.get("gptq", False), _clip_grid(values.get("clip_search", False))
    weight = bool(shape_keys("weight", values)) or values.get("weight") is not None
    for option, wanted in (("gptq", gptq), ("clip_search", grid)):
        if wanted and not weight and option in explicit:
            none = "is no weight" if values.get("name") == SPEC else "are no weight_ keys"
            raise FormatError(f"{option} is about the weight, but there {none}")
    gptq, grid = gptq and weight, grid if weight else ()
    if gptq and grid:
        if ("gptq" in explicit) == ("clip_search" in explicit):
            raise FormatError(
                "gptq and clip_search exclude each other: clip_search is for weights that are "
                "rounded to nearest; give quantile_search in [gptq] instead"
            )
        gptq, grid = ("gptq" in explicit), (() if "gptq" in explicit else grid)
    rotate = _rotation(values.get("online_rotate", False))
    return {"gptq": gptq, "clip_search": grid, "online_rotate": rotate}


def _clip_grid(given: bool | list[float]) -> tuple[float, ...]:
    if isinstance(given, bool):
        return CLIP_GRID if given else ()
    if not given or not all(0 < share <= 1 for share in given):
        raise FormatError(f"clip_search must be true, false or shares in (0, 1], got {given!r}")
    return tuple(float(share) for share in given)


def _rotation(given: bool | int) -> int | None:
    if isinstance(given, bool):
        return LARGEST_ROTATION if given else None
    if given < 2 or hadamard_order(given) is None:
        raise FormatError(
            f"online_rotate must be true, false or {HADAMARD_SIZES} from 2 "
            f"({nearest_hadamard_sizes(given)}), got {given!r}"
        )
    return given
