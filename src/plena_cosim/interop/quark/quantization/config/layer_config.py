"""QuantizationConfig: what becomes of the tensors of a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from plena_cosim.golden.formats import FormatError
from plena_cosim.ground.did_you_mean import did_you_mean

from .data_type_spec import DataTypeSpec
from .quantization_spec import QuantizationSpec, require_keys
from .two_stage import TwoStageSpec
from .type import DeviceType

TENSORS = ("input_tensors", "output_tensors", "weight", "bias")

OneSpec = QuantizationSpec | DataTypeSpec | TwoStageSpec
Given = OneSpec | Sequence[OneSpec]
"""What the specification of a tensor may be given as."""

_RENAMED = {"dynamic": "is_dynamic", "axis": "ch_axis"}
"""Keys of specifications in old files."""
_MEMORY = ("enable_buffer_reuse", "max_input_numel")
"""Keys of Quark 0.13 that are about memory and change no number."""


@dataclass(frozen=True)
class QuantizationConfig:
    """Specifications of a layer's tensors; a tensor that has none is left to a level above.

    Args:
        input_tensors: of what the layer is given.
        output_tensors: of what it gives.
        weight: of its weight.
        bias: of its bias.
        target_device: what it is quantised for; changes no number here.

    Each is a specification, one of two stages, or a list of them, a chain; they are kept as
    QuantizationSpec, a list where there is more than one stage.

    Raises:
        FormatError: no specification.
    """

    input_tensors: Given | None = None
    output_tensors: Given | None = None
    weight: Given | None = None
    bias: Given | None = None
    target_device: DeviceType | None = None

    def __post_init__(self) -> None:
        for key in TENSORS:
            object.__setattr__(self, key, _kept(getattr(self, key), key))
        object.__setattr__(self, "target_device", _device(self.target_device))

    def stages(self, tensor: str) -> list[QuantizationSpec]:
        """Return the stages of one of TENSORS, none where it has no specification."""
        kept = getattr(self, tensor)
        if kept is None:
            return []
        return list(kept) if isinstance(kept, list) else [kept]

    def over(self, other: QuantizationConfig) -> QuantizationConfig:
        """Return this configuration with what it leaves open from a more general one."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return QuantizationConfig(
            **{key: getattr(other, key) if one is None else one for key, one in given.items()}
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON has it."""
        device = None if self.target_device is None else self.target_device.value
        tensors = {
            key: _in_form_of(getattr(self, key), lambda each: each.to_dict()) for key in TENSORS
        }
        return {**tensors, "target_device": device}

    @classmethod
    def from_dict(cls, quantization_config: Mapping[str, Any]) -> Self:
        """Return what a dictionary means, of `to_dict` or of a QLayerConfig of Quark 0.13.

        Args:
            quantization_config: specifications by tensor; those left out are None.

        Raises:
            FormatError: an unknown key, or a specification that cannot be.
        """
        require_mapping(cls.__name__, quantization_config)
        require_keys(cls.__name__, quantization_config, [field.name for field in fields(cls)])
        given = dict(quantization_config)
        for key in TENSORS:
            try:
                given[key] = _in_form_of(given.get(key), spec_from_dict)
            except FormatError as error:
                raise FormatError(f"{key}: {error}") from None
        return cls(**given)


def spec_from_dict(config_dict: Mapping[str, Any]) -> QuantizationSpec:
    """Return a specification of JSON: of here, of Quark 0.13 or of older exports.

    Args:
        config_dict: arguments by name.

    Raises:
        FormatError: an unknown key or value, or blocks of two axes.
    """
    require_mapping("a specification", config_dict)
    given = {_RENAMED.get(key, key): value for key, value in config_dict.items()}
    if given.pop("block_size", None) is not None:
        raise FormatError("block_size, a rectangle of two axes, is not known here; use group_size")
    for key in _MEMORY:
        given.pop(key, None)
    return QuantizationSpec.from_dict(given)


def require_mapping(owner: str, given: Any) -> None:
    """Check that `given` is a dictionary.

    Raises:
        FormatError: it is not.
    """
    if not isinstance(given, Mapping):
        raise FormatError(f"{owner} is a dictionary of arguments; got {given!r}")


def _as_dict(stage: QuantizationSpec) -> dict[str, Any]:
    return stage.to_dict()


def _in_form_of(stages: Any, change: Callable[[Any], Any]) -> Any:
    """Return a stage or a list of stages with each of them changed; None as it is."""
    if stages is None:
        return None
    return [change(each) for each in stages] if isinstance(stages, list) else change(stages)


def _kept(given: Any, key: str) -> QuantizationSpec | list[QuantizationSpec] | None:
    if given is None or isinstance(given, QuantizationSpec):
        return given
    found = [
        stage
        for each in (given if isinstance(given, (list, tuple)) else [given])
        for stage in _of_one(each, key)
    ]
    if not found:
        raise FormatError(f"{key}: an empty list; give a specification or None")
    return found[0] if len(found) == 1 else found


def _of_one(given: Any, key: str) -> list[QuantizationSpec]:
    if not isinstance(given, (QuantizationSpec, DataTypeSpec, TwoStageSpec)):
        raise FormatError(
            f"{key} must be a specification such as Int8PerTensorSpec(), or a list of them; "
            f"got {given!r}"
        )
    made = given.to_quantization_spec()
    return made if isinstance(made, list) else [made]


def _device(given: Any) -> DeviceType | None:
    if given is None or isinstance(given, DeviceType):
        return given
    known = {each.value: each for each in DeviceType}
    name = given.lower() if isinstance(given, str) else None
    if name not in known:
        raise FormatError(
            f"unknown target_device {given!r}; known: {', '.join(known)}"
            f"{did_you_mean(str(given), known)}"
        )
    return known[str(name)]
