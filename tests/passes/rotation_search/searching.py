"""Tiny models, recipes and tokens for rotation searches, and a search without any shortcut."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plena_cosim.evaluate import evaluate_perplexity
from plena_cosim.passes.quantize_module import build_twins
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.recipe import Recipe
from plena_cosim.passes.rotation_search.search_log import SearchLog

from ..families import build
from ..recipes import IN4, W4A4, token_ids

TYPES = (
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    "qk_matmul", "av_matmul", "kv_cache",
)  # fmt: skip
EVERYTHING: dict[str, Any] = {
    r".*_proj": W4A4,
    r".*self_attn": {"name": "mxint", "qk_matmul": IN4, "av_matmul": IN4, "kv_cache": IN4},
    "lm_head": W4A4,
}
FEW = {r".*\.(o|down)_proj": W4A4, r".*self_attn": {"name": "mxint", "kv_cache": IN4}}


def model(family: str = "llama", **changes: Any) -> nn.Module:
    """A model with outliers in some channels, which rotations spread."""
    found = build(family, **changes)
    with torch.no_grad():
        for name, parameter in found.named_parameters():
            if name.endswith(("up_proj.weight", "v_proj.weight", "k_proj.weight")):
                parameter[::16] *= 12
    return found


def tokens(seed: int = 3) -> Tensor:
    return token_ids(2, 20, seed=seed)


def recipe(given: dict[str, Any], rotation: Any = None, **search: Any) -> Recipe:
    tables = {**given, "rotation_search": search}
    return read_quant_config(tables if rotation is None else tables | {"rotation": rotation})


def stop_after_notes(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> list[tuple[int, str | None, float]]:
    """Have a search end once a perplexity is noted; returns round, name and perplexity of each."""
    noted: list[tuple[int, str | None, float]] = []
    note, note_baseline = SearchLog.note, SearchLog.note_baseline

    def baseline(self: SearchLog, perplexity: float, seconds: float) -> None:
        note_baseline(self, perplexity, seconds)
        noted.append((1, None, perplexity))
        raise error

    def candidate(self: SearchLog, index: int, place: str, name: str, *rest: float) -> None:
        note(self, index, place, name, *rest)
        noted.append((index + 1, name, rest[0]))
        raise error

    monkeypatch.setattr(SearchLog, "note_baseline", baseline)
    monkeypatch.setattr(SearchLog, "note", candidate)
    return noted


def measured(given: dict[str, Any], rotation: dict[str, Any], **changes: Any) -> float:
    """Perplexity of a whole quantised model, made from scratch."""
    whole = model(**changes)
    build_twins(whole, read_quant_config({**given, "rotation": rotation}))
    return evaluate_perplexity(whole, tokens(), seqlen=20).token_perplexity


def without_shortcuts(
    given: dict[str, Any],
    groups: list[list[str]],
    rotation: dict[str, Any] | None = None,
    *,
    eps: float = 0.0,
    **changes: Any,
) -> tuple[float, list[tuple[dict[str, float], str | None]]]:
    """What each round measures, and what it keeps: whole models, one for each candidate.

    Args:
        given: the selectors.
        groups: names to try, one list after another.
        rotation: the recipe's own.
        eps: how much a rotation has to help.
        changes: of the model.
    """
    rotation = {"online": [], **(rotation or {})}
    now = baseline = measured(given, rotation, **changes)
    rounds = []
    for group in groups:
        left, winner = list(group), "any"
        while left and winner is not None:
            tried = {
                name: measured(
                    given, {**rotation, "online": [*rotation["online"], name]}, **changes
                )
                for name in left
            }
            best = min(tried, key=lambda name: tried[name])
            winner = best if now - tried[best] > eps else None
            rounds.append((tried, winner))
            if winner is None:
                continue
            now = tried[winner]
            rotation["online"] = [*rotation["online"], winner]
            left.remove(winner)
            place, _, kind = winner.rpartition("kv_cache")
            if not kind and place + "qk_matmul" in left and _fused(rotation):
                left.remove(place + "qk_matmul")  # keys are rotated already
    return baseline, rounds


def _fused(rotation: dict[str, Any]) -> bool:
    return rotation.get("semantics") != "dequant"
