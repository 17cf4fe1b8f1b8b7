"""The tables of a quantisation recipe, key by key as PLENA's TOML files have them."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from plena_cosim.golden import FormatError, Mx, mxfp, mxint

from .nearest import did_you_mean

ROLES = ("weight", "data_in", "bias")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_T = TypeVar("_T", bound=_Table)


class NumericsTable(_Table):
    """[numerics]: what every format of the recipe shares; golden's defaults where left out."""

    scale_rule: str | None = None
    rounding: str | None = None
    symmetric: bool | None = None
    scale_bits: int | None = None

    def fields(self) -> dict[str, Any]:
        """Return what is given, as fields of Mx."""
        return self.model_dump(exclude_none=True)


class HardwareTable(_Table):
    """[hardware]: the machine of exact numerics."""

    config: str


class MxintTable(_Table):
    """A linear layer in MXINT; a role whose keys are missing is not quantised."""

    name: Literal["mxint"]
    bypass: bool = False
    weight_block_size: int | None = None
    weight_width: int | None = None
    data_in_block_size: int | None = None
    data_in_width: int | None = None
    bias_block_size: int | None = None
    bias_width: int | None = None

    def element(self, role: str, **fields: Any) -> Mx | None:
        """Return the format of one role, or None."""
        given = _complete(self, role, ("block_size", "width"))
        return given and mxint(given["width"], block_size=given["block_size"], **fields)


class MxfpTable(_Table):
    """A linear layer in MXFP; a role whose keys are missing is not quantised."""

    name: Literal["mxfp"]
    bypass: bool = False
    weight_block_size: int | None = None
    weight_exponent_width: int | None = None
    weight_frac_width: int | None = None
    data_in_block_size: int | None = None
    data_in_exponent_width: int | None = None
    data_in_frac_width: int | None = None
    bias_block_size: int | None = None
    bias_exponent_width: int | None = None
    bias_frac_width: int | None = None

    def element(self, role: str, **fields: Any) -> Mx | None:
        """Return the format of one role, or None."""
        given = _complete(self, role, ("block_size", "exponent_width", "frac_width"))
        return given and mxfp(
            given["exponent_width"], given["frac_width"], block_size=given["block_size"], **fields
        )


LINEAR_TABLES: dict[str, type[MxintTable] | type[MxfpTable]] = {
    "mxint": MxintTable,
    "mxfp": MxfpTable,
}
"""The formats of a linear layer by the `name` in its table."""


def _complete(table: _Table, role: str, keys: tuple[str, ...]) -> Any:
    """Return the role's values by short key; None where it has none, FormatError where some."""
    values = {key: getattr(table, f"{role}_{key}") for key in keys}
    missing = [f"{role}_{key}" for key, value in values.items() if value is None]
    if len(missing) == len(keys):
        return None
    if missing:
        given = [f"{role}_{key}" for key, value in values.items() if value is not None]
        raise FormatError(f"{', '.join(given)} given without {', '.join(missing)}")
    return values


def read_table(kind: type[_T], given: Any, where: str) -> _T:
    """Return `given` as a `kind`; FormatError names `where`, the key and the nearest known key."""
    if not isinstance(given, dict):
        raise FormatError(f"{where}: must be a table, got {given!r}")
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        known = list(kind.model_fields)
        if first["type"] == "extra_forbidden":
            raise FormatError(
                f"{where}: unknown key {key!r}; known: {', '.join(known)}{did_you_mean(key, known)}"
            ) from None
        if first["type"] == "missing":
            raise FormatError(f"{where}: key {key!r} is missing") from None
        wanted = first["msg"].removeprefix("Input should be ")
        raise FormatError(f"{where}: {key} must be {wanted}, got {first['input']!r}") from None
