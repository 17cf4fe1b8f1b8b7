"""TokenCollector: a model keeps the tokens that it is given, as samples for a later calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.ground.errors import PlenaError
from plena_cosim.sources.token_file import write_sample_file

from .recipe.token_collector_table import TokenCollectorTable


class CollectorFull(PlenaError, RuntimeError):  # noqa: N818  (the reference's name; it ends an evaluation)
    """All samples have been collected and saved."""


class TokenCollector:
    """Tokens of the prompts of a model, one after another, cut into samples.

    Calls follow one another in the order in which they come; padding is left out.

    Attributes:
        complete: whether all samples have been saved.
    """

    def __init__(self, model: nn.Module, table: TokenCollectorTable) -> None:
        """Begin to collect.

        Args:
            model: called with `input_ids`.
            table: what to collect.

        Raises:
            FormatError: the file is there, and `overwrite` is not given.
        """
        self.table, self.path, self.complete = table, Path(table.save_path), False
        if self.path.exists() and not table.overwrite:
            raise FormatError(
                f"[token_collector] save_path {table.save_path!r} exists; give overwrite = true, "
                "or another file"
            )
        self._tokens = torch.empty(0, dtype=torch.int64)
        self._hook = model.register_forward_pre_hook(self._see, with_kwargs=True)

    @property
    def collected(self) -> int:
        """How many whole samples there are."""
        return min(len(self._tokens) // self.table.seqlen, self.table.target_nsamples)

    def finalize(self) -> int:
        """Stop collecting, save what there is if that is a sample or more; return how many."""
        self._hook.remove()
        count = self.collected
        if count and not self.complete:
            kept = self._tokens[: count * self.table.seqlen].reshape(count, -1)
            write_sample_file(self.path, kept, target_nsamples=self.table.target_nsamples)
        return count

    def _see(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        ids = kwargs.get("input_ids", args[0] if args else None)
        if not isinstance(ids, Tensor) or ids.dim() != 2:
            return
        if ids.shape[1] < self.table.min_prefill_tokens:
            return
        mask = kwargs.get("attention_mask", args[1] if len(args) > 1 else None)
        ids = ids.detach().cpu()
        if isinstance(mask, Tensor) and mask.shape == ids.shape:
            ids = ids[mask.detach().cpu().bool()]
        self._tokens = torch.cat([self._tokens, ids.reshape(-1).to(torch.int64)])
        if self.collected < self.table.target_nsamples:
            return
        self.finalize()
        self.complete = True
        if self.table.raise_on_full:
            raise CollectorFull(
                f"[token_collector] {self.table.target_nsamples} samples of {self.table.seqlen} "
                f"tokens are in {self.path}"
            )


def attach_token_collector(model: nn.Module, table: TokenCollectorTable) -> TokenCollector:
    """Have a model collect what it is given, and note the collector as `model.token_collector`.

    Args:
        model: called with `input_ids`.
        table: what to collect.

    Raises:
        FormatError: the file is there, and `overwrite` is not given.
    """
    collector = TokenCollector(model, table)
    object.__setattr__(model, "token_collector", collector)
    return collector
