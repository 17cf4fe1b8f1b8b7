"""Reading one table of a recipe strictly: every wrong key or value becomes one clear error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from plena_cosim.golden import FormatError
from plena_cosim.ground.did_you_mean import did_you_mean


class Table(BaseModel):
    """A table of a recipe: no unknown keys, no conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    def given(self) -> dict[str, Any]:
        """Return the keys that the file gives, with their values, in the order of the fields."""
        given = self.model_fields_set
        return {key: getattr(self, key) for key in type(self).model_fields if key in given}


_T = TypeVar("_T", bound=Table)


def read_table(kind: type[_T], given: Any, where: str) -> _T:
    """Return `given` as a `kind`.

    Args:
        kind: the table's schema.
        given: the table as parsed.
        where: file and table, for messages.

    Raises:
        FormatError: names `where`, the key and the nearest known key.
    """
    if not isinstance(given, dict):
        raise FormatError(f"{where}: must be a table, got {given!r}")
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise FormatError(f"{where}: {_first_complaint(kind, error.errors())}") from None


def _first_complaint(kind: type[Table], errors: Sequence[ErrorDetails]) -> str:
    if not errors[0]["loc"]:  # about the table as a whole
        return _wanted(errors[0]["msg"])
    first = next((error for error in errors if not _of_a_branch(error["loc"][-1:])), errors[0])
    steps, table = [], kind
    loc = [step for step in first["loc"] if not _of_a_branch((step,))]
    branch = next((str(step) for step in first["loc"] if _of_a_branch((step,))), "")
    while len(loc) > 1 and isinstance(loc[0], str) and (inner := _sub_table(table, loc[0], branch)):
        steps.append(str(loc.pop(0)))
        number = next(iter(loc))
        if len(loc) > 1 and isinstance(number, int):  # one of a list of tables
            steps[-1] += f" {int(loc.pop(0)) + 1}"
        table = inner
    key = ".".join([*steps, str(loc[0])]) if loc else ".".join(steps)
    known = list(table.model_fields)
    if first["type"] == "extra_forbidden":
        hint = did_you_mean(str(loc[0]), known)
        return f"unknown key {key!r}; known: {', '.join(known)}{hint}"
    if first["type"] == "missing":
        return f"key {key!r} is missing"
    depth = len(first["loc"]) if steps else 1
    same = [error for error in errors if error["loc"][:depth] == first["loc"][:depth]]
    wanted = " or ".join(dict.fromkeys(_wanted(error["msg"]) for error in same))
    given = first["input"]
    hint = did_you_mean(given, wanted.split("'")) if isinstance(given, str) else ""
    return f"{key} must be {wanted}, got {given!r}{hint}"


def _of_a_branch(steps: Sequence[str | int]) -> bool:
    """Return whether a step is no key but pydantic's word for one kind of what may stand there."""
    return any(isinstance(step, str) and step.endswith(("Table", "Table]")) for step in steps)


def _wanted(message: str) -> str:
    for start in ("Input should be ", "Value error, "):
        message = message.removeprefix(start)
    return "a table" if message.startswith("a valid dictionary") else message


def _sub_table(table: type[Table], key: str, branch: str) -> type[Table] | None:
    """Return the table that a key holds: of several the one that is called as a branch is."""
    field = table.model_fields.get(key)
    kinds: list[Any] = [] if field is None else [field.annotation, *get_args(field.annotation)]
    kinds += [inner for each in kinds for inner in get_args(each)]
    found = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Table)]
    return next((kind for kind in found if kind.__name__ == branch), found[0] if found else None)
