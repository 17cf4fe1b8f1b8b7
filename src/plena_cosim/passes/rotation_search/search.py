"""search_rotations: add online rotations one by one, each time the one that helps most."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress

from ..kinds import kind_of
from ..layers.device import device_of
from ..layers.stack import stack_of
from ..plan.online_rotation import OnlineRotations
from ..plan.plan import Plan
from ..plan.plan_model import plans_of
from ..recipe.calibration_tables import MatmulType, RotationSearchTable
from ..recipe.recipe import Recipe
from ..replace.check import check
from .candidate import Candidate, LeftOut, candidate
from .engine import Engine
from .extended import extended, finished
from .identity import identity
from .result import EVERYWHERE, SearchResult
from .search_log import SearchLog


def search_rotations(
    model: nn.Module,
    recipe: Recipe,
    tokens: Tensor,
    *,
    progress: Progress | None = None,
) -> SearchResult:
    """Return a recipe with the online rotations that lower a model's perplexity, found greedily.

    Each round measures every rotation that could be added, in fake numerics and with weights
    rounded to nearest in its basis, and keeps the best one if perplexity falls by more than
    `improvement_eps`. Each perplexity is noted in `cache_path` at once: another call goes on from
    there, or has its answer without running the model.

    Args:
        model: as it was before quantising, with static rotations and scalings folded; it stays so.
        recipe: with [rotation_search]; what its [rotation] names is kept.
        tokens: (samples, seqlen) int64, what perplexity is measured on, one sample at a time.
        progress: told first, in a line without anything to count, how the search begins: anew, and
            why, or from what is noted; then called after each layer of a candidate.

    Raises:
        FormatError: the recipe has no [rotation_search], or there is nothing to rotate; or what
            `build_modules` raises.
    """
    table = recipe.rotation_search
    if table is None:
        raise FormatError(f"{recipe.source}: has no [rotation_search] table; add one to search")
    if not recipe.tables:
        raise FormatError(
            f"{recipe.source}: has no tables to add rotations to; make it with load_quant_config "
            "or read_quant_config"
        )
    if tokens.dim() != 2 or tokens.shape[1] < 2 or not len(tokens):
        raise FormatError(
            f"tokens must be samples of 2 tokens or more, got a shape of {tuple(tokens.shape)}"
        )
    path = None if table.cache_path is None else Path(table.cache_path)
    log = SearchLog(path, identity(model, recipe, tokens), read=table.cache_winners)
    if log.complete:
        winners = [each.winner for each in log.rounds if each.winner is not None]
        try:
            plans_of(model, extended(recipe, winners))
        except FormatError as error:
            log.restart(f"{path} holds what does not fit: {error}")
    if progress is not None:
        progress(log.begun, 0, 0)
    search = _Search(model, recipe, table, tokens, log, progress)
    if not log.complete:
        search.run()
    return search.found()


def require_searchable(model: nn.Module, recipe: Recipe) -> None:
    """Raise FormatError for what `search_rotations` would refuse of a model before its first round.

    Args:
        model: as it goes into the search, or without weights.
        recipe: with [rotation_search].
    """
    table = recipe.rotation_search
    assert table is not None
    log = SearchLog(None, {}, read=False)
    _Search(model, recipe, table, torch.empty(0, 0), log, None).require_candidates()


class _Search:
    """One search, over the whole model or layer by layer."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        table: RotationSearchTable,
        tokens: Tensor,
        log: SearchLog,
        progress: Progress | None,
    ) -> None:
        self.model, self.recipe, self.tokens = model, recipe, tokens
        self.table, self.log, self.progress = table, log, progress
        self.left_out: dict[str, str] = {}
        self.engine: Engine | None = None

    def require_candidates(self) -> None:
        """Raise FormatError where there is nothing to try."""
        self._begin()
        for _, names in self._places():
            for name in names:
                if self._candidates([name]):
                    return
        raise FormatError(self._nothing())

    def run(self) -> None:
        """Search, and note all that is found."""
        self._begin()
        self.device = device_of(self.table, "rotation_search")
        for place, names in self._places():
            while names:
                tried = self._candidates(names)
                winner = self._round(place, tried) if tried else None
                names = [each.name for each in tried if winner and each.name != winner.name]
        if not self.rounds:
            raise FormatError(self._nothing())
        self.log.finish(self.left_out)

    def _begin(self) -> None:
        self.names: list[str] = []
        self.plans: Sequence[Plan] = plans_of(self.model, self.recipe)
        for plan in self.plans:
            check(plan, None, self.recipe.kv_handover)
        self.stack = stack_of(
            self.model,
            [plan.name for plan in self.plans],
            f"{self.recipe.source} [rotation_search]",
        )
        self.now = self.log.baseline
        self.rounds = 0

    def found(self) -> SearchResult:
        """Return what the log says."""
        rounds, baseline = self.log.rounds, self.log.baseline
        assert baseline is not None
        winners = tuple(each.winner for each in rounds if each.winner is not None)
        return SearchResult(
            recipe=finished(self.recipe, winners),
            winners=winners,
            baseline=baseline,
            perplexity=rounds[-1].after if rounds else baseline,
            rounds=rounds,
            left_out=self.log.left_out,
            seconds=self.log.seconds,
            begun=self.log.begun,
        )

    def _places(self) -> Iterator[tuple[str, list[str]]]:
        """Return where rounds look, with the names of all that could be rotated there."""
        types = list(dict.fromkeys(self.table.matmul_types or get_args(MatmulType)))
        if not self.table.per_layer:
            yield EVERYWHERE, types
            return
        kinds = {n: kind for n, module in self.model.named_modules() if (kind := kind_of(module))}
        matmuls = list(OnlineRotations(None, kinds, self.recipe.source).matmuls)
        for index in range(len(self.stack.layers)):
            layer = self.stack.layer_name(index)
            inside = [name for name in matmuls if name.startswith(f"{layer}.")]
            yield layer, [n for kind in types for n in inside if n.rpartition(".")[2] == kind]

    def _candidates(self, names: list[str]) -> list[Candidate]:
        recipe, found = extended(self.recipe, self.names), []
        for name in names:
            try:
                found.append(candidate(self.model, self.stack, recipe, self.plans, name))
            except LeftOut as reason:
                self.left_out[name] = str(reason)
        return found

    def _round(self, place: str, candidates: list[Candidate]) -> Candidate | None:
        """Measure what a round tries, and return what it keeps."""
        known = self.log.measured(self.rounds, place)
        open_ = [each for each in candidates if each.name not in known]
        if open_ or self.now is None:
            known |= self._measured(place, open_)
        assert self.now is not None
        best = min(candidates, key=lambda each: _rank(known[each.name]))
        helps = _rank(self.now) - _rank(known[best.name]) > self.table.improvement_eps
        self.log.decide(self.rounds, best.name if helps else None)
        self.rounds += 1
        if not helps:
            return None
        self.now, self.plans = known[best.name], best.plans
        self.names.append(best.name)
        if self.engine is not None:
            self.engine.commit(best.plans, best.first)
        return best

    def _measured(self, place: str, candidates: list[Candidate]) -> dict[str, float]:
        if self.engine is None:
            self.engine = Engine(
                self.model, self.stack, self.recipe, self.plans, self.tokens, self.device
            )
        engine, found = self.engine, {}
        shown = _Round(self.progress, self.rounds + 1, place)
        places = [each.first for each in candidates]
        shown.total = engine.cost(places, baseline=self.now is None)
        started = time.perf_counter()
        engine.prepare(places, shown.after_layer)
        if self.now is None:
            self.now = engine.perplexity(after_layer=shown.after_layer)
            self.log.note_baseline(self.now, time.perf_counter() - started)
            started = time.perf_counter()
        for each in candidates:
            shown.what = each.name
            found[each.name] = engine.perplexity(each.plans, each.first, shown.after_layer)
            spent = time.perf_counter() - started
            self.log.note(self.rounds, place, each.name, found[each.name], spent)
            started = time.perf_counter()
        shown.finish()
        return found

    def _nothing(self) -> str:
        reasons: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            reasons.setdefault(reason, []).append(name)
        said = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
        return f"{self.recipe.source} [rotation_search]: nothing to rotate; {said}"


class _Round:
    """Counts the layers that a round runs, and shows them."""

    def __init__(self, progress: Progress | None, number: int, place: str) -> None:
        self.progress, self.round = progress, f"round {number}, {place}"
        self.done = self.total = 0
        self.what = "without them"

    def after_layer(self) -> None:
        """Count a layer."""
        self.done += 1
        if self.progress is not None:
            self.progress(f"{self.round}: {self.what}", self.done, max(self.total, self.done))

    def finish(self) -> None:
        """Close the count, which was made for the longest way."""
        if self.progress is not None and self.done < self.total:
            self.progress(f"{self.round}: {self.what}", self.total, self.total)


def _rank(perplexity: float) -> float:
    return math.inf if math.isnan(perplexity) else perplexity
