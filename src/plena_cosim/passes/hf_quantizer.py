"""PlenaQuantizer: what lets transformers' from_pretrained load a model that the pass quantised.

Importing this module puts it where transformers looks for the quantisation method "plena", in place
of what `_registration` has put there; so it is imported when such a model is met.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn
from transformers.quantizers.auto import (
    AUTO_QUANTIZATION_CONFIG_MAPPING,
    AUTO_QUANTIZER_MAPPING,
)
from transformers.quantizers.base import HfQuantizer

from plena_cosim.golden import FormatError

from .modules.guards import guards
from .quantize_module import build_modules
from .saving.attach_config import put_config
from .saving.digests import NAME, digests, require_undamaged
from .saving.plena_config import METHOD, PlenaConfig, dtype_name
from .weights.packed_weight import PackedWeight

_ALIGNMENT = 64  # bytes, of all that torch allocates


class PlenaQuantizer(HfQuantizer):
    """Builds modules without weights, lets transformers load their codes, and unpacks them."""

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

    def get_state_dict_and_metadata(self, model: Any) -> tuple[dict[str, torch.Tensor], Any]:
        """Return what a file holds: the state, what makes other readers stop, and digests."""
        state = {**model.state_dict(), **guards(model)}
        return {**state, NAME: digests(state, model.plena_config.to_dict())}, {}

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
        """Convert nothing: the file has the model's own names, see `put_config`."""
        return []

    def _process_model_before_weight_loading(self, model: Any, **kwargs: Any) -> None:
        config = self.quantization_config
        config.pass_args()  # what is no recipe says more than that it is not the one
        require_undamaged(kwargs.get("checkpoint_files") or (), config.to_dict())
        config.dtype = dtype_name(model.dtype)  # now, while its weights are still of one kind
        build_modules(
            model,
            config.pass_args(),
            numerics=config.numerics,
            hw=config.machine(),
            store=PackedWeight.empty,
        )
        ignored = {f"^{re.escape(name)}$" for name in (*guards(model), NAME)}
        model._keys_to_ignore_on_load_unexpected = ignored | set(
            model._keys_to_ignore_on_load_unexpected or ()
        )
        for module in model.modules():
            if not module._non_persistent_buffers_set:
                # All weights come from the file. Otherwise transformers would draw random numbers
                # for what looks like a layer of its own. What it computes (RoPE's frequencies) are
                # buffers that no file holds.
                module._is_hf_initialized = True

    def param_needs_quantization(self, model: nn.Module, param_name: str, **kwargs: Any) -> bool:
        """Return yes for packed codes: those of a wrong length are to reach `unpack` and its error.

        Args:
            model: with quantised modules in place.
            param_name: of a tensor in the file.
            **kwargs: transformers' own, of which nothing is needed.
        """
        return isinstance(model.get_submodule(param_name.rpartition(".")[0]), PackedWeight)

    def _process_model_after_weight_loading(self, model: nn.Module, **kwargs: Any) -> None:
        _require_loaded(model)
        _align(model)
        for name, module in model.named_modules():
            if isinstance(module, PackedWeight):
                try:
                    module.unpack()
                except FormatError as error:
                    raise FormatError(f"{name}: {error}; the file does not fit") from None
        put_config(model, self.quantization_config)


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


AUTO_QUANTIZER_MAPPING[METHOD] = PlenaQuantizer
AUTO_QUANTIZATION_CONFIG_MAPPING[METHOD] = PlenaConfig
