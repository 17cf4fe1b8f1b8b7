"""DataTypeSpec: a specification as a point, some of whose coordinates are arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from ..observer.observer import PER_TENSOR, ObserverBase
from .quantization_spec import QuantizationSpec, as_member, require_keys, require_one_of
from .type import RoundType, ScaleType, ZeroPointType


def _scale_type(given: str) -> ScaleType:
    require_one_of("scale_type", given, _SCALE_TYPES)
    return _SCALE_TYPES[given]


def _observer(given: str) -> type[ObserverBase]:
    require_one_of("observer_method", given, PER_TENSOR)
    return PER_TENSOR[given]


_SCALE_TYPES: dict[str, ScaleType] = {
    "float": ScaleType.float,
    "float32": ScaleType.float32,
    "float16": ScaleType.float16,
    "bfloat16": ScaleType.bfloat16,
    "power_of_2": ScaleType.pof2,
}

_MEANINGS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "observer_method": ("observer_cls", _observer),
    "block_size": ("group_size", lambda given: given),
    "scale_type": ("scale_type", _scale_type),
    "round_method": ("round_method", lambda given: as_member(RoundType, given, "round_method")),
    "zero_point_type": (
        "zero_point_type",
        lambda given: as_member(ZeroPointType, given, "zero_point_type"),
    ),
}
"""Arguments that are not those of `QuantizationSpec`: what they are there, and how."""


@dataclass(frozen=True)
class DataTypeSpec:
    """A specification of one kind of element, with the arguments that Quark gives it.

    A subclass says in `POINT`, by the keywords of its class statement, what stands where no
    argument does or where one is None: the fields of `QuantizationSpec` that make the class, and
    Quark 0.13's defaults. An argument that has no default there either stays None.
    """

    POINT: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, **point: Any) -> None:
        cls.POINT = {**cls.POINT, **point}
        if cls.__doc__ is None and "dtype" in cls.POINT:
            element = cls.POINT.get("mx_element_dtype", cls.POINT["dtype"]).name
            cls.__doc__ = f"{element}; arguments as in {cls.__mro__[1].__name__}."

    def __post_init__(self) -> None:
        self.to_quantization_spec()  # says at once what is wrong

    def to_quantization_spec(self) -> QuantizationSpec:
        """Return the specification with all of its coordinates.

        Raises:
            FormatError: an argument that cannot be.
        """
        point = dict(self.POINT)
        for field in fields(self):
            given = getattr(self, field.name)
            if given is not None:
                name, meaning = _MEANINGS.get(field.name, (field.name, lambda value: value))
                point[name] = meaning(given)
        return QuantizationSpec(**point)

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any]) -> Self:
        """Return the specification with these arguments.

        Args:
            config_dict: arguments by name; those left out have their defaults.

        Raises:
            FormatError: an unknown argument or value.
        """
        require_keys(cls.__name__, config_dict, [field.name for field in fields(cls)])
        return cls(**config_dict)
