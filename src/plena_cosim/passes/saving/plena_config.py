"""PlenaConfig: what a saved model says of its quantisation, in its config.json.

transformers finds it by way of `hf_quantizer`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from transformers.utils.quantization_config import QuantizationConfigMixin

from plena_cosim.golden import FormatError, HardwareConfig

from ..recipe.load import read_quant_config
from ..recipe.numerics import Numerics
from ..recipe.recipe import Recipe
from .machine_fields import machine_from_fields, machine_to_fields

METHOD = "plena"
_VERSION = 1
_SOURCE = "recipe in config.json"


class PlenaConfig(QuantizationConfigMixin):
    """What quantised a model: `quantization_config` in its config.json.

    Args:
        recipe: the tables of a recipe, or their JSON text (config.json sorts keys, but the order of
            selectors counts).
        numerics: "fake" or "exact".
        hardware: fields of the machine of exact numerics, or a HardwareConfig.
        dtype: of the model's activations, such as "bfloat16"; where transformers is not told
            another, it builds the model in this one. (config.json's own dtype is that of the first
            weight, which may be an exact one in float32.)
        source: where the recipe came from, for messages.
        version: of the packed weights; only what this release writes is read.

    Raises:
        FormatError: an unknown version or field, or something that is no recipe.
    """

    def __init__(
        self,
        *,
        recipe: Mapping[str, Any] | str | None = None,
        numerics: str = "fake",
        hardware: Mapping[str, Any] | HardwareConfig | None = None,
        dtype: str | None = None,
        source: str = _SOURCE,
        version: int = _VERSION,
        quant_method: str = METHOD,
        **unknown: Any,
    ) -> None:
        if version != _VERSION:
            raise FormatError(
                f"the model was saved with version {version!r} of plena's packed weights, this "
                f"release reads version {_VERSION}; install the release that saved it, or quantise "
                "the original model again"
            )
        if unknown:
            known = "recipe, numerics, hardware, dtype, source, version"
            raise FormatError(f"unknown plena field {next(iter(unknown))!r}; known: {known}")
        self.numerics = Numerics.of(numerics).value
        if dtype is not None and not isinstance(getattr(torch, str(dtype), None), torch.dtype):
            raise FormatError(
                f"unknown dtype {dtype!r}; known: float32, bfloat16, float16, float64"
            )
        self.dtype = dtype
        self.quant_method = quant_method  # type: ignore[assignment]  # theirs are an enum
        self.recipe = _tables(recipe)
        self.source, self.version = source, version
        if isinstance(hardware, HardwareConfig):
            hardware = machine_to_fields(hardware)
        elif hardware is not None:
            machine_from_fields(hardware)  # or say now that it is none
        self.hardware = hardware

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        numerics: str,
        machine: HardwareConfig | None,
        dtype: torch.dtype | None,
    ) -> PlenaConfig:
        """Return the config of a model that the pass has quantised.

        Args:
            recipe: what quantised it.
            numerics: "fake" or "exact".
            machine: of exact numerics.
            dtype: of the model's activations.
        """
        return cls(
            recipe=recipe.tables,
            numerics=numerics,
            hardware=machine,
            dtype=dtype_name(dtype),
            source=recipe.source,
        )

    def pass_args(self) -> Recipe:
        """Return the checked recipe."""
        return read_quant_config(self.recipe, source=self.source)

    def machine(self) -> HardwareConfig | None:
        """Return the machine of exact numerics."""
        return None if self.hardware is None else machine_from_fields(self.hardware)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for config.json."""
        return {**super().to_dict(), "recipe": json.dumps(self.recipe)}


def dtype_name(dtype: torch.dtype | None) -> str | None:
    """Return the name of a dtype as config.json has it, such as `bfloat16`."""
    return None if dtype is None else str(dtype).removeprefix("torch.")


def _tables(given: Mapping[str, Any] | str | None) -> dict[str, Any]:
    try:
        tables = json.loads(given) if isinstance(given, str) else given
    except json.JSONDecodeError as error:
        raise FormatError(f"{_SOURCE}: not JSON: {error}") from None
    if not isinstance(tables, Mapping) or not tables:
        raise FormatError(f"{_SOURCE}: must be the tables of a recipe, got {tables!r}")
    return dict(tables)
