"""Specifications of two stages: the second of what the first makes, or of its scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from plena_cosim.golden.formats import FormatError

from .data_type_spec import DataTypeSpec
from .quantization_spec import QuantizationSpec, require_keys

_STAGES = ("first_stage", "second_stage")


@dataclass(frozen=True)
class TwoStageSpec:
    """Two specifications in order.

    Args:
        first_stage: of the tensor.
        second_stage: of what the first leaves to it.

    Raises:
        FormatError: a stage that is no specification of one stage.
    """

    first_stage: DataTypeSpec | QuantizationSpec
    second_stage: DataTypeSpec | QuantizationSpec

    def __post_init__(self) -> None:
        for key in _STAGES:
            given = getattr(self, key)
            if not isinstance(given, (DataTypeSpec, QuantizationSpec)):
                raise FormatError(
                    f"{type(self).__name__}: {key} must be a specification such as "
                    f"Int8PerTensorSpec(); got {given!r}"
                )

    def to_quantization_spec(self) -> list[QuantizationSpec]:
        """Return both stages with all of their coordinates."""
        return [getattr(self, key).to_quantization_spec() for key in _STAGES]

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary of each stage's QuantizationSpec."""
        stages = zip(_STAGES, self.to_quantization_spec(), strict=True)
        return {key: stage.to_dict() for key, stage in stages}

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any]) -> Self:
        """Return the specification with these stages, each a QuantizationSpec.

        Args:
            config_dict: as `to_dict` returns it.

        Raises:
            FormatError: a stage is missing, or a key or value unknown.
        """
        require_keys(cls.__name__, config_dict, _STAGES)
        for key in _STAGES:
            if key not in config_dict:
                raise FormatError(f"{cls.__name__} needs {key}")
        return cls(*(QuantizationSpec.from_dict(config_dict[key]) for key in _STAGES))


class ProgressiveSpec(TwoStageSpec):
    """The second stage quantises what the first one makes; arguments as in TwoStageSpec."""


class ScaleQuantSpec(TwoStageSpec):
    """The second stage quantises the scales of the first; arguments as in TwoStageSpec."""

    def to_quantization_spec(self) -> list[QuantizationSpec]:
        """Return both stages with all of their coordinates; the second says what it is for."""
        first, second = super().to_quantization_spec()
        return [first, replace(second, is_scale_quant=True)]
