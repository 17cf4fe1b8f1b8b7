"""The section `quantize` key by key, as TAO's document has it; what goes with what is checked."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from plena_cosim.golden import FormatError
from plena_cosim.passes.recipe.read_table import Table, read_table

NATIVE: Final = "native"
MODES = {"torchao": "weight_only_ptq", "modelopt": "static_ptq"}
"""The one mode of each backend."""

_ALIAS = "float8_"


def _lower(given: Any) -> Any:
    return given.lower() if isinstance(given, str) else given


def _own_name(given: Any) -> Any:
    """Return a dtype in lower case, by the name that has no alias."""
    text = _lower(given)
    return f"fp8_{text.removeprefix(_ALIAS)}" if str(text).startswith(_ALIAS) else text


Dtype = Annotated[Literal["int8", "fp8_e4m3fn", "fp8_e5m2", "native"], BeforeValidator(_own_name)]
Mode = Annotated[Literal["weight_only_ptq", "static_ptq"], BeforeValidator(_lower)]
Algorithm = Annotated[Literal["minmax", "entropy"], BeforeValidator(_lower)]


class DtypeTable(Table):
    """`weights` or `activations` of a layer."""

    dtype: Dtype = Field(description="Format of the tensor; `native`: it stays as it is.")


class LayerTable(Table):
    """One of `layers`."""

    module_name: str = Field(
        min_length=1, description="Pattern for the name of a module, else of its class."
    )
    weights: DtypeTable | None = Field(None, description="What the weight becomes.")
    activations: DtypeTable | None = Field(None, description="What each input becomes.")


class QuantizeTable(Table):
    """The section `quantize`."""

    backend: Literal["torchao", "modelopt"] = Field(
        "torchao", description="Whose numbers: scales, ranges of codes, granularity."
    )
    mode: Mode = Field("weight_only_ptq", description="What is quantised; one for each backend.")
    algorithm: Algorithm = Field(
        "minmax", description="What of calibration data is the range of an activation; modelopt."
    )
    default_layer_dtype: Dtype = Field(NATIVE, description="Not read, as in TAO.")
    default_activation_dtype: Dtype = Field(NATIVE, description="Not read, as in TAO.")
    layers: list[LayerTable] = Field(
        [], description="What becomes of which modules; the first that matches decides."
    )
    skip_names: list[Annotated[str, Field(min_length=1)]] = Field(
        [], description="Patterns as `module_name`'s: these modules stay as they are."
    )
    model_path: str = Field("", description="Folder of the model.")
    results_dir: str = Field("", description="Folder to make.")


def read_section(given: Any, where: str) -> tuple[QuantizeTable, tuple[str, ...]]:
    """Check a section.

    Args:
        given: as parsed.
        where: file and section, for messages.

    Returns:
        The section, and what a user should be told of it.

    Raises:
        FormatError: an unknown key or value, or keys that contradict each other.
    """
    section = read_table(QuantizeTable, given, where)
    said = section.model_fields_set
    wanted = MODES[section.backend]
    if section.mode != wanted:
        other = next(backend for backend, mode in MODES.items() if mode == section.mode)
        default = "" if "mode" in said else " (its default)"
        raise FormatError(
            f"{where}: backend {section.backend} has mode {wanted}, got {section.mode}{default}; "
            f"give mode: {wanted}, or backend: {other}"
        )
    if section.backend == "torchao" and "algorithm" in said:
        raise FormatError(
            f"{where}: algorithm is about ranges of activations, which torchao does not quantise; "
            "remove it, or give backend: modelopt and mode: static_ptq"
        )
    if not section.layers:
        raise FormatError(f"{where}: layers is empty, so that nothing is quantised; give a layer")
    seen = dict.fromkeys(section.skip_names, "skip_names")
    for number, layer in enumerate(section.layers, 1):
        place = f"{where}: layers {number}"
        _require_dtypes(section, layer, place)
        if layer.module_name in seen:
            raise FormatError(
                f"{place}: module_name {layer.module_name!r} is that of {seen[layer.module_name]}, "
                "which comes before it, so that it would choose nothing; remove one of them"
            )
        seen[layer.module_name] = f"layers {number}"
    return section, tuple(_notes(section, where))


def _require_dtypes(section: QuantizeTable, layer: LayerTable, place: str) -> None:
    if section.backend == "torchao" and layer.weights is None and layer.activations is not None:
        raise FormatError(
            f"{place}: torchao quantises weights alone, and there is no weights.dtype; give one, "
            "or backend: modelopt and mode: static_ptq"
        )
    if layer.weights is None and layer.activations is None:
        raise FormatError(
            f"{place}: says nothing of {layer.module_name!r}; give weights or activations, or "
            "name it in skip_names"
        )
    activations = activation_dtype(section, layer)
    if section.algorithm == "entropy" and activations.startswith("fp8"):
        raise FormatError(
            f"{place}: algorithm entropy counts the equal steps of int8, which {activations} has "
            "not; give activations int8, or algorithm: minmax"
        )


def weight_dtype(layer: LayerTable) -> str:
    """Return what a weight becomes; `native`: it stays."""
    return NATIVE if layer.weights is None else layer.weights.dtype


def activation_dtype(section: QuantizeTable, layer: LayerTable) -> str:
    """Return what inputs become; `native`: they stay, as all do with torchao."""
    if section.backend == "torchao" or layer.activations is None:
        return NATIVE
    return layer.activations.dtype


def _notes(section: QuantizeTable, where: str) -> list[str]:
    notes = [
        f"{where}: {key} is not read, as in TAO; give dtypes in layers"
        for key in ("default_layer_dtype", "default_activation_dtype")
        if getattr(section, key) != NATIVE
    ]
    if section.backend == "torchao":
        notes += [
            f"{where}: layers {number}: activations are not read with backend torchao, as in TAO"
            for number, layer in enumerate(section.layers, 1)
            if layer.activations is not None
        ]
    return notes
