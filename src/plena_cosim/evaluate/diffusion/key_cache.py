"""SharedKeys: keys and values of earlier passes, for the attention of a model that reads both ways.

The model's attention function is taken in between for the time of a text; the model itself stays
as it is, and the function that it has is what computes.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from .denoising import KeyCache

NAME = "plena_denoise"
_KNOWN = ("eager", "sdpa")


class SharedKeys:
    """Keys and values by attention module."""

    def __init__(self, model: Any, cache: KeyCache) -> None:
        """Look whether a model can be taken in parts.

        Args:
            model: a masked language model of transformers.
            cache: PREFIX or DUAL.

        Raises:
            FormatError: it cannot; with the reason.
        """
        self._model, self._cache = model, cache
        self._held: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self._part: tuple[int, int] | None = None
        self._base: Any = None
        name = getattr(model.config, "_attn_implementation", None)
        if name not in _KNOWN:
            raise FormatError(
                f"--cache {cache} needs attention of transformers ({' or '.join(_KNOWN)}), this "
                f"model has {name!r}; quantise without attention, or give --cache none"
            )
        if "position_ids" not in inspect.signature(model.forward).parameters:
            raise FormatError(
                f"--cache {cache} needs a model whose forward takes position_ids; "
                f"{type(model).__name__} does not: give --cache none"
            )
        self._name = name
        self._first = _first_position(model)

    @contextmanager
    def between(self) -> Iterator[None]:
        """Take the model's attention function in between, for the time of the block."""
        from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        configs: dict[int, Any] = {
            id(each.config): each.config
            for each in self._model.modules()
            if hasattr(getattr(each, "config", None), "_attn_implementation")
        }
        before = {key: config._attn_implementation for key, config in configs.items()}
        ALL_ATTENTION_FUNCTIONS.register(NAME, self._attend)
        masks = ALL_MASK_ATTENTION_FUNCTIONS
        masks.register(NAME, masks["sdpa"])
        try:
            for config in configs.values():
                config._attn_implementation = NAME
            yield
        finally:
            for key, config in configs.items():
                config._attn_implementation = before[key]
            self._held.clear()

    def whole(self, ids: Tensor) -> Tensor:
        """Return the logits of a pass over the whole text, whose keys are held from now on.

        Args:
            ids: (1, n).

        Returns:
            (n, tokens).
        """
        self._part = None
        self._held.clear()
        logits: Tensor = self._model(input_ids=ids).logits[0]
        if not self._held:
            raise FormatError(
                f"{type(self._model).__name__} computes attention by itself, and its keys cannot "
                "be shared; give --cache none"
            )
        return logits

    def part(self, ids: Tensor, start: int, stop: int) -> Tensor:
        """Return the logits of a pass over a part of the text.

        Args:
            ids: (1, n), the whole text.
            start, stop: of the block; with PREFIX, the pass goes on to the end of the text.

        Returns:
            (stop − start, tokens).
        """
        end = ids.shape[1] if self._cache is KeyCache.PREFIX else stop
        self._part = (start, end)
        places = torch.arange(start, end, device=ids.device)[None] + self._first
        logits: Tensor = self._model(input_ids=ids[:, start:end], position_ids=places).logits[0]
        return logits[: stop - start]

    def _attend(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Any, **given: Any
    ) -> Any:
        if mask is not None and not _says_nothing(mask):
            raise FormatError(
                f"{type(module).__name__} does not attend to the whole text, and its keys cannot "
                "be shared; give --cache none"
            )
        if self._part is None:
            self._held[module] = (key, value)
        else:
            start, end = self._part
            key, value = (
                torch.cat([held[:, :, :start], new, held[:, :, end:]], dim=2)
                for held, new in zip(self._held[module], (key, value), strict=True)
            )
        return self._function(module)(module, query, key, value, None, **given)

    def _function(self, module: nn.Module) -> Any:
        """Return the attention function that the model had: its own eager one, or a shared one."""
        if self._name == "eager":
            import sys

            return sys.modules[type(module).__module__].eager_attention_forward
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        return ALL_ATTENTION_FUNCTIONS[self._name]


def _says_nothing(mask: Any) -> bool:
    """Return whether a mask leaves everything to be seen."""
    if not isinstance(mask, Tensor):
        return False
    return bool(mask.all()) if mask.dtype == torch.bool else not bool(mask.any())


def _first_position(model: nn.Module) -> int:
    """Return the position of the first token: RoBERTa's kin counts from behind its padding."""
    for module in model.modules():
        if hasattr(module, "create_position_ids_from_input_ids"):
            return int(module.padding_idx) + 1  # type: ignore[arg-type]
    return 0
