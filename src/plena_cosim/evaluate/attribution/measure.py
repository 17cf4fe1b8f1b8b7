"""Losses of a model in which only some operands are quantised, window by window."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from plena_cosim.ground.progress import Progress
from plena_cosim.passes.selective import Choice, Operand, SelectivePass

from ..perplexity import evaluate_perplexity
from ..results.sample_log import SampleLog


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a group of operands costs.

    Attributes:
        axis: what the groups are: "op", "layer", "role", or two of these.
        group: which.
        mode: "in": only this group is quantised; "out": all others are.
        cost: rise of the loss that the group brings, in nats a token.
        error: standard error of `cost`, paired over windows; None for one window.
        share: of the rise that the whole recipe brings; None where that is not above 0.
    """

    axis: str
    group: str
    mode: str
    cost: float
    error: float | None
    share: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        return asdict(self)


class Losses:
    """Measures choices of operands on the same windows, each once.

    Attributes:
        tokens: (n,) int64, what the windows are cut from.
        seqlen: tokens in a window.
    """

    def __init__(
        self,
        selective: SelectivePass,
        tokens: Tensor,
        *,
        seqlen: int,
        log: SampleLog,
        count: int,
        progress: Progress | None = None,
    ) -> None:
        """Measure with a prepared recipe.

        Args:
            selective: of the model.
            tokens: (n,) int64.
            seqlen: tokens in a window.
            log: where the losses go; those that it has are not measured again.
            count: how many choices will be measured in all.
            progress: told how many are.
        """
        self._pass, self.tokens, self.seqlen = selective, tokens, seqlen
        self._log, self._count, self._progress = log, count, progress
        self._done = 0
        self.scored = tokens.numel() - -(-tokens.numel() // seqlen)

    def of(self, name: str, choose: Choice) -> list[float]:
        """Return the negative log likelihood of each window, in nats.

        Args:
            name: of the choice, under which the log has it.
            choose: what becomes of each operand.
        """
        log = self._log.under(name)
        windows = -(-self.tokens.numel() // self.seqlen)
        if not all(log.get(str(place)) for place in range(windows)):
            model = self._pass.applied(choose)
            evaluate_perplexity(model, self.tokens, seqlen=self.seqlen, log=log)
        self._done += 1
        if self._progress is not None:
            self._progress(f"variants: {name}", self._done, self._count)
        found = [log.get(str(place)) or {} for place in range(windows)]
        return [each["negative_log_likelihood"] for each in found if each]

    def rise(self, losses: Sequence[float], before: Sequence[float]) -> tuple[float, float | None]:
        """Return by how much losses are above others, in nats a token, and its standard error."""
        differences = [one - two for one, two in zip(losses, before, strict=True)]
        error = None
        if len(differences) > 1 and all(map(math.isfinite, differences)):
            spread = statistics.stdev(differences)
            error = spread * math.sqrt(len(differences)) / self.scored
        return math.fsum(differences) / self.scored, error


def only(chosen: Sequence[Operand]) -> Choice:
    """Return a choice of these operands alone."""
    wanted = {(each.module, each.role) for each in chosen}
    return lambda each: each.fmt if (each.module, each.role) in wanted else None


def all_but(left: Sequence[Operand]) -> Choice:
    """Return a choice of all operands but these."""
    unwanted = {(each.module, each.role) for each in left}
    return lambda each: None if (each.module, each.role) in unwanted else each.fmt


def measure_shares(
    losses: Losses, groups: dict[str, dict[str, list[Operand]]], modes: Sequence[str]
) -> tuple[float, float | None, list[Share]]:
    """Return what the whole recipe costs, its standard error, and what each group does.

    Args:
        losses: measures.
        groups: of each axis.
        modes: "in", "out" or both.
    """
    nothing = losses.of("none", lambda _: None)
    everything = losses.of("all", lambda each: each.fmt)
    total, total_error = losses.rise(everything, nothing)
    found = []
    for axis, members in groups.items():
        for group, operands in members.items():
            for mode in modes:
                choose = only(operands) if mode == "in" else all_but(operands)
                measured = losses.of(f"{mode} {axis} {group}", choose)
                pair = (measured, nothing) if mode == "in" else (everything, measured)
                cost, error = losses.rise(*pair)
                share = cost / total if total > 0 else None
                found.append(
                    Share(axis=axis, group=group, mode=mode, cost=cost, error=error, share=share)
                )
    return total, total_error, found
