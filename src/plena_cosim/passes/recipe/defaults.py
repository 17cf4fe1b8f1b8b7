"""Which keys a selector's table takes from [defaults]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .read_table import Table
from .role_format import ROLES, SHAPE_KEYS, role_of, shape_keys


def inherited(
    own: Mapping[str, Any], defaults: Mapping[str, Any], kind: type[Table], name: str
) -> dict[str, Any]:
    """Return the defaults that a table takes.

    A key is taken where the table does not give it, the table's `name` knows it, and its role is of
    that family: a table of mxfp does not take weight_width. A role of which the table gives nothing
    is taken as a whole or not at all.

    Args:
        own: the keys that the table gives.
        defaults: the keys of [defaults].
        kind: the table's schema.
        name: its family.
    """
    found = {
        key: value
        for key, value in defaults.items()
        if key not in own and key in kind.model_fields and key != "name"
        if _fits(key, own, name)
    }
    for role in ROLES if name in SHAPE_KEYS else ():
        whole = {f"{role}_{shape}" for shape in SHAPE_KEYS[name]} <= set(found)
        if not whole and not any(role_of(key) == role for key in own):
            found = {key: value for key, value in found.items() if role_of(key) != role}
    return found


def _fits(key: str, own: Mapping[str, Any], name: str) -> bool:
    role = role_of(key)
    about_mxint = key == f"{role}_symmetric"
    if role is None or not (about_mxint or shape_keys(role, [key])):
        return True
    family = name
    if name != "minifloat" and f"{role}_width" in own:
        family = "mxint"
    elif name != "minifloat" and shape_keys(role, own, "minifloat"):
        family = "mxfp"
    return family == "mxint" if about_mxint else bool(shape_keys(role, [key], family))
