"""QuantizationSpec: the specification of which all others are points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, TypeVar

from plena_cosim.golden.formats import FormatError
from plena_cosim.ground.did_you_mean import did_you_mean

from ..observer.observer import OBSERVERS, ObserverBase
from .type import (
    Dtype,
    QSchemeType,
    RoundType,
    ScaleType,
    TQTThresholdInitMeth,
    ZeroPointType,
)

E = TypeVar("E", bound=Enum)

SCALE_FORMATS = ("float32", "e8m0", "e4m3")
CALCULATION_MODES = ("even", "floor", "ceil")


@dataclass(frozen=True)
class QATSpec:
    """How a quantised tensor is trained."""


@dataclass(frozen=True)
class TQTSpec(QATSpec):
    """Trained quantisation thresholds (arXiv 1903.08066).

    Args:
        threshold_init_meth: where the thresholds begin.
    """

    threshold_init_meth: TQTThresholdInitMeth | None = None

    def __post_init__(self) -> None:
        _set_member(self, "threshold_init_meth", TQTThresholdInitMeth)


@dataclass(frozen=True)
class QuantizationSpec:
    """What a tensor is quantised to; the order of arguments is that of Quark's document.

    Enums may be given by their names. What is None is filled where numbers are made of it
    (`golden_formats`), or refused there.

    Args:
        dtype: the element.
        observer_cls: how its range is found.
        is_dynamic: whether each tensor has the scale of its own range; else calibration gives it.
        qscheme: which values share a scale.
        ch_axis: the axis of channels, groups or blocks.
        group_size: values of a group or block; -1 for all along the axis.
        symmetric: integers have no zero point.
        round_method: how a quotient becomes an integer.
        scale_type: what the scale of an integer is rounded to.
        scale_format: float32, e8m0 or e4m3.
        scale_calculation_mode: of a scale in e8m0: even, floor or ceil.
        qat_spec: how it is trained.
        mx_element_dtype: the element of dtype mx.
        zero_point_type: of an integer that is not symmetric.
        is_scale_quant: quantises the scales of the specification before it.

    Raises:
        FormatError: a value that the argument does not take.

    >>> QuantizationSpec(Dtype.int8, qscheme=QSchemeType.per_tensor, symmetric=True).dtype.name
    'int8'
    """

    dtype: Dtype
    observer_cls: type[ObserverBase] | None = None
    is_dynamic: bool | None = None
    qscheme: QSchemeType | None = None
    ch_axis: int | None = None
    group_size: int | None = None
    symmetric: bool | None = None
    round_method: RoundType | None = None
    scale_type: ScaleType | None = None
    scale_format: str | None = None
    scale_calculation_mode: str | None = None
    qat_spec: QATSpec | None = None
    mx_element_dtype: Dtype | None = None
    zero_point_type: ZeroPointType | None = ZeroPointType.int32
    is_scale_quant: bool = False

    def __post_init__(self) -> None:
        if self.dtype is None:
            raise FormatError(f"dtype is needed: one of {', '.join(Dtype.__members__)}")
        for key, kind in _ENUMS.items():
            _set_member(self, key, kind)
        observer = _as_observer(self.observer_cls)
        object.__setattr__(self, "observer_cls", observer)
        require_one_of("scale_format", self.scale_format, SCALE_FORMATS)
        require_one_of("scale_calculation_mode", self.scale_calculation_mode, CALCULATION_MODES)
        for key in ("is_dynamic", "symmetric", "is_scale_quant"):
            if not isinstance(getattr(self, key), (bool, type(None))):
                raise FormatError(f"{key} must be True or False, got {getattr(self, key)!r}")
        for key, allowed in (("ch_axis", "an axis"), ("group_size", "1 or more, or -1")):
            given = getattr(self, key)
            if given is None:
                continue
            whole = isinstance(given, int) and not isinstance(given, bool)
            if not whole or (key == "group_size" and given < 1 and given != -1):
                raise FormatError(f"{key} must be an integer: {allowed}; got {given!r}")
        if (self.dtype is Dtype.mx) is not (self.mx_element_dtype is not None):
            raise FormatError(
                "mx_element_dtype goes with dtype mx and with no other; "
                f"got dtype {self.dtype.name} with {self.mx_element_dtype}"
            )
        if not isinstance(self.qat_spec, (QATSpec, type(None))):
            raise FormatError(f"qat_spec must be a TQTSpec, got {self.qat_spec!r}")

    def to_quantization_spec(self) -> QuantizationSpec:
        """Return itself, as every specification is asked for one."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments as JSON has them: enums and observer by name."""
        return {field.name: _as_json(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any]) -> QuantizationSpec:
        """Return what `to_dict` was made of.

        Args:
            config_dict: arguments by name; those left out have their defaults.

        Raises:
            FormatError: an unknown key or value, or no dtype.
        """
        require_keys(cls.__name__, config_dict, [field.name for field in fields(cls)])
        if "dtype" not in config_dict:
            raise FormatError(f"dtype is needed: one of {', '.join(Dtype.__members__)}")
        given = dict(config_dict)
        if isinstance(given.get("qat_spec"), Mapping):
            require_keys("TQTSpec", given["qat_spec"], ["threshold_init_meth"])
            given["qat_spec"] = TQTSpec(**given["qat_spec"])
        return cls(**given)


_ENUMS: dict[str, type[Enum]] = {
    "dtype": Dtype,
    "qscheme": QSchemeType,
    "round_method": RoundType,
    "scale_type": ScaleType,
    "mx_element_dtype": Dtype,
    "zero_point_type": ZeroPointType,
}


def as_member(kind: type[E], given: Any, what: str) -> E:
    """Return the member of an enum that `given` is, or is the name of.

    Args:
        kind: the enum.
        given: a member or a name.
        what: the argument, for the message.

    Raises:
        FormatError: it is neither.
    """
    if isinstance(given, kind):
        return given
    require_one_of(what, given, kind.__members__)
    return kind[given]


def require_one_of(what: str, given: Any, known: Iterable[str]) -> None:
    """Check that `given` is None or one of the known words.

    Args:
        what: the argument, for the message.
        given: its value.
        known: the words.

    Raises:
        FormatError: it is neither.
    """
    known = list(known)
    if given is not None and not (isinstance(given, str) and given in known):
        raise FormatError(
            f"unknown {what} {given!r}; known: {', '.join(known)}{did_you_mean(str(given), known)}"
        )


def require_keys(owner: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Check that every key is known.

    Args:
        owner: whose keys they are, for the message.
        given: a dictionary of arguments.
        known: its keys.

    Raises:
        FormatError: one is not.
    """
    known = list(known)
    for key in given:
        if key not in known:
            raise FormatError(
                f"{owner} has no argument {key!r}; known: {', '.join(known)}"
                f"{did_you_mean(str(key), known)}"
            )


def _set_member(spec: object, key: str, kind: type[Enum]) -> None:
    given = getattr(spec, key)
    if given is not None:
        object.__setattr__(spec, key, as_member(kind, given, key))


def _as_observer(given: Any) -> type[ObserverBase] | None:
    if given is None or (isinstance(given, type) and issubclass(given, ObserverBase)):
        return given
    require_one_of("observer_cls", given, OBSERVERS)
    return OBSERVERS[given]


def _as_json(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, QATSpec):
        return {field.name: _as_json(getattr(value, field.name)) for field in fields(value)}
    return value
