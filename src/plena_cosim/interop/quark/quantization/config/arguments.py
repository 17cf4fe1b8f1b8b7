"""Arguments of Quark's configurations: checked by their annotations, written and read as JSON."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Self

from plena_cosim.golden.formats import FormatError

from .quantization_spec import require_keys

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "list": (list, tuple),
    "dict": (Mapping,),
    "None": (type(None),),
}


class Arguments:
    """A frozen dataclass whose fields are plain values, as JSON has them."""

    def __post_init__(self) -> None:
        require_types(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments by name, as JSON has them."""
        return {field.name: copy.deepcopy(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return what has these arguments.

        Args:
            data: arguments by name; those left out have their defaults.

        Raises:
            FormatError: an unknown argument, one that is missing, or a value of another type.
        """
        known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
        require_keys(cls.__name__, data, known)
        for key, field in known.items():
            needed = field.default is MISSING and field.default_factory is MISSING
            if needed and key not in data:
                raise FormatError(f"{cls.__name__} needs {key}")
        return cls(**copy.deepcopy(dict(data)))


def require_types(given: Any) -> None:
    """Check that each field is of the types that its annotation names.

    Args:
        given: a dataclass with annotations of plain types; what is inside of lists and
            dictionaries is not looked at.

    Raises:
        FormatError: one is not.
    """
    for field in fields(given):
        value, words = getattr(given, field.name), re.sub(r"\[[^|]*\]", "", str(field.type))
        allowed = [kind.strip() for kind in words.split("|")]
        types = tuple(each for kind in allowed for each in _TYPES[kind])
        is_bool = isinstance(value, bool) and "bool" not in allowed
        if is_bool or not isinstance(value, types):
            raise FormatError(
                f"{type(given).__name__}: {field.name} must be {' or '.join(allowed)}; "
                f"got {value!r}"
            )
