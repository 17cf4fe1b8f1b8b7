"""PlenaQuantizer: what lets transformers' from_pretrained load a model that the pass quantised.

Importing this module registers the quantisation method "plena" with transformers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from plena_cosim.golden import FormatError, HardwareConfig

from .quantize_module import build_twins
from .recipe.load import PassArgs, read_quant_config
from .saving.attach_config import attach
from .saving.machine_fields import machine_from_fields, machine_to_fields
from .weights.packed_weight import StoredWeight

_METHOD = "plena"
_VERSION = 1
_SOURCE = "recipe in config.json"
_ALIGNMENT = 64  # bytes, of all that torch allocates


@register_quantization_config(_METHOD)
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
        quant_method: str = _METHOD,
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
        if numerics not in ("fake", "exact"):
            raise FormatError(f"unknown numerics {numerics!r}; known: fake, exact")
        if dtype is not None and not isinstance(getattr(torch, str(dtype), None), torch.dtype):
            raise FormatError(
                f"unknown dtype {dtype!r}; known: float32, bfloat16, float16, float64"
            )
        self.dtype = dtype
        self.quant_method = quant_method  # type: ignore[assignment]  # theirs are an enum
        self.recipe = _tables(recipe)
        self.numerics, self.source, self.version = numerics, source, version
        if isinstance(hardware, HardwareConfig):
            hardware = machine_to_fields(hardware)
        elif hardware is not None:
            machine_from_fields(hardware)  # or say now that it is none
        self.hardware = hardware

    @classmethod
    def of(
        cls,
        recipe: PassArgs,
        numerics: str,
        machine: HardwareConfig | None,
        dtype: torch.dtype | None,
    ) -> PlenaConfig:
        """Return the config of a model that the pass has quantised."""
        return cls(
            recipe=recipe.tables,
            numerics=numerics,
            hardware=machine,
            dtype=_name(dtype),
            source=recipe.source,
        )

    def pass_args(self) -> PassArgs:
        """Return the checked recipe."""
        return read_quant_config(self.recipe, source=self.source)

    def machine(self) -> HardwareConfig | None:
        """Return the machine of exact numerics."""
        return None if self.hardware is None else machine_from_fields(self.hardware)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for config.json."""
        return {**super().to_dict(), "recipe": json.dumps(self.recipe)}


def _name(dtype: torch.dtype | None) -> str | None:
    return None if dtype is None else str(dtype).removeprefix("torch.")


def _tables(given: Mapping[str, Any] | str | None) -> dict[str, Any]:
    try:
        tables = json.loads(given) if isinstance(given, str) else given
    except json.JSONDecodeError as error:
        raise FormatError(f"{_SOURCE}: not JSON: {error}") from None
    if not isinstance(tables, Mapping) or not tables:
        raise FormatError(f"{_SOURCE}: must be the tables of a recipe, got {tables!r}")
    return dict(tables)


@register_quantizer(_METHOD)
class PlenaQuantizer(HfQuantizer):
    """Builds twins without weights, lets transformers load their packed codes, and unpacks them."""

    quantization_config: PlenaConfig

    def validate_environment(self, *args: Any, **kwargs: Any) -> None:
        """Refuse an original model: the pass is what quantises."""
        if not self.pre_quantized:
            raise FormatError(
                "this model is not quantised yet: load it without quantization_config and give it "
                "to quantize_module_transform_pass"
            )

    def is_serializable(self) -> bool:
        """Say yes: what was loaded can be saved again."""
        return True

    @property
    def is_trainable(self) -> bool:
        """Say no: weights are codes."""
        return False

    def update_attn_implementation(self, config: Any) -> Any:
        """Have the model built in its own dtype: this hook comes before transformers reads it."""
        if self.quantization_config.dtype is not None:
            config.dtype = getattr(torch, self.quantization_config.dtype)
        return config

    def update_weight_conversions(self, weight_conversions: Any, model: Any) -> list[Any]:
        """Convert nothing: the file has the model's own names, see `remember.attach`."""
        return []

    def _process_model_before_weight_loading(self, model: Any, **kwargs: Any) -> None:
        config = self.quantization_config
        config.dtype = _name(model.dtype)  # now, while its weights are still of one kind
        build_twins(
            model,
            config.pass_args(),
            numerics=config.numerics,
            hw=config.machine(),
            store=StoredWeight.empty,
        )
        for module in model.modules():
            if not module._non_persistent_buffers_set:
                # All weights come from the file. Otherwise transformers would draw random numbers
                # for what looks like a layer of its own. What it computes (RoPE's frequencies) are
                # buffers that no file holds.
                module._is_hf_initialized = True

    def param_needs_quantization(self, model: nn.Module, param_name: str, **kwargs: Any) -> bool:
        """Say yes to packed codes, so that those of a wrong length reach `unpack` and its error."""
        return isinstance(model.get_submodule(param_name.rpartition(".")[0]), StoredWeight)

    def _process_model_after_weight_loading(self, model: nn.Module, **kwargs: Any) -> None:
        _require_loaded(model)
        _align(model)
        for name, module in model.named_modules():
            if isinstance(module, StoredWeight):
                try:
                    module.unpack()
                except FormatError as error:
                    raise FormatError(f"{name}: {error}; the file does not fit") from None
        attach(model, self.quantization_config)


def _align(model: nn.Module) -> None:
    """Move tensors to where torch would have put them.

    In a file they lie at any multiple of their size, and MKL may sum products of unaligned operands
    in another order (seen with AVX2), so that a model would not compute what it did when saved.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.device.type == "cpu" and tensor.data_ptr() % _ALIGNMENT:
            tensor.data = tensor.data.clone()


def _require_loaded(model: nn.Module) -> None:
    """Raise FormatError unless all weights came from a file; transformers draws the rest itself."""
    for prefix, module in model.named_modules():
        tensors = {**module._parameters, **module._buffers}
        for name, tensor in tensors.items():
            if tensor is None or name in module._non_persistent_buffers_set:
                continue
            whole_name = f"{prefix}.{name}"
            if tensor.is_meta:
                raise FormatError(f"{whole_name}: was left on disk; load without offloading")
            if not getattr(tensor, "_is_hf_initialized", False):
                raise FormatError(
                    f"{whole_name}: is missing in the file; the weights are not those that the "
                    "recipe in config.json describes"
                )
