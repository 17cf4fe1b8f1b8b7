"""Prepare: what a recipe asks for before modules are replaced, in its order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress
from plena_cosim.sources import calibration_set, load_tokenizer

from .calibration import calibrate
from .distillation import Distilled, distill, require_distillable
from .fold import fold_rotations, fold_scaling
from .layers.evaluating import evaluating
from .plan.plan import Plan
from .plan.plan_model import plans_of
from .recipe.calibration_tables import GptqTable
from .recipe.data_table import DataTable
from .recipe.recipe import Recipe
from .rotation_search import SearchResult, search_rotations
from .weights.weight_record import WeightRecord


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A model made ready for its quantised modules.

    Attributes:
        recipe: with the rotations that a search has found.
        plans: of the model, by that recipe.
        weights: calibrated ones, by the names of the modules that take them.
        records: what calibration found, by the same names.
        search: the rounds of the search.
        distilled: the losses of the training.
        notes: what a user should be told.
    """

    recipe: Recipe
    plans: list[Plan]
    weights: Mapping[str, MxTensor] = field(default_factory=dict)
    records: Mapping[str, list[WeightRecord]] = field(default_factory=dict)
    search: SearchResult | None = None
    distilled: Distilled | None = None
    notes: tuple[str, ...] = ()


def prepare(
    model: nn.Module,
    recipe: Recipe,
    *,
    plans: list[Plan] | None = None,
    tokens: Tensor | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Do what comes before modules are replaced.

    In this order: [scaling], R1 and R2 of [rotation], [rotation_search], [distill], [gptq].

    Folding changes the model's weights and keeps its function, training changes both; nothing else
    changes the model.

    Args:
        model: in floating point, checked against the recipe.
        recipe: checked.
        plans: of the model, by the recipe; None: they are made here.
        tokens: (samples, seqlen) int64 to calibrate with; None for the texts that the recipe names.
        progress: told of each stage.

    Returns:
        What the modules are replaced by; its recipe has the rotations that a search has found.

    Raises:
        FormatError: a stage cannot do what the recipe asks for.
        TextSourceError: calibration text cannot be had.
    """
    if tokens is not None:
        _require_known(model, tokens, f"{recipe.source}: tokens")
    with evaluating(model):
        return _prepare(model, recipe, plans or plans_of(model, recipe), tokens, progress)


def _prepare(
    model: nn.Module,
    recipe: Recipe,
    plans: list[Plan],
    tokens: Tensor | None,
    progress: Progress | None,
) -> Prepared:
    rotation = recipe.rotation
    r1 = rotation is not None and rotation.r1
    lessons: Tensor | None = None
    if recipe.distill is not None:
        lessons = (
            tokens if tokens is not None else calibration_tokens(model, recipe, recipe.distill)
        )
        require_distillable(plans, recipe, lessons)
    if recipe.scaling is not None:
        fold_scaling(
            model,
            recipe.scaling,
            recipe,
            tokens if tokens is not None else calibration_tokens(model, recipe, recipe.scaling),
            norms=not r1,
            progress=progress,
        )
    if rotation is not None and (rotation.r1 or rotation.r2):
        fold_rotations(
            model,
            r1=rotation.r1,
            r2=rotation.r2,
            size=rotation.size,
            random=rotation.random,
            seed=rotation.seed,
        )
    found: SearchResult | None = None
    if recipe.rotation_search is not None:
        found = search_rotations(
            model,
            recipe,
            tokens if tokens is not None else _search_tokens(model, recipe),
            progress=_by_round(progress) if progress is not None else None,
        )
        recipe = found.recipe
        plans = plans_of(model, recipe)
    notes = found.notes if found else ()
    trained: Distilled | None = None
    if lessons is not None:
        trained = distill(model, plans, recipe, lessons, progress=progress)
        notes = (*notes, *trained.notes)
    if recipe.gptq is None:
        return Prepared(recipe=recipe, plans=plans, search=found, distilled=trained, notes=notes)
    made = calibrate(
        model,
        plans,
        recipe,
        tokens if tokens is not None else calibration_tokens(model, recipe, recipe.gptq),
        progress=progress,
    )
    return Prepared(
        recipe=recipe,
        plans=plans,
        weights=made.weights,
        records=made.records,
        search=found,
        distilled=trained,
        notes=(*notes, *made.notes),
    )


def calibration_tokens(model: nn.Module, recipe: Recipe, table: GptqTable | DataTable) -> Tensor:
    """Return the samples that a table names, (samples, seqlen) int64.

    Args:
        model: knows its vocabulary, and where it was loaded from.
        recipe: for messages.
        table: names text, tokenizer and sizes.

    Raises:
        TextSourceError: text or tokenizer cannot be had.
        FormatError: the tokens are not those of the model.
    """
    return _samples(
        model, recipe, table.model_name, table.dataset, table.nsamples, table.seqlen, table.seed
    )


def _search_tokens(model: nn.Module, recipe: Recipe) -> Tensor:
    table = recipe.rotation_search
    assert table is not None
    data = table.calib_data or "wikitext2"
    return _samples(
        model, recipe, table.model_name, data, table.calib_nsamples, table.calib_seqlen, table.seed
    )


def _samples(
    model: nn.Module,
    recipe: Recipe,
    name: str | None,
    dataset: str | None,
    nsamples: int | None,
    seqlen: int | None,
    seed: int | None,
) -> Tensor:
    """Return samples, with the tokenizer of `name` or of where the model was loaded from."""
    name = name or getattr(model, "name_or_path", "")
    if not name:
        raise FormatError(
            f"{recipe.source}: calibration needs a tokenizer, and the model does not say where it "
            "is from; give model_name in the table that calibrates, or give the pass tokens"
        )
    assert dataset is not None
    assert nsamples is not None
    assert seqlen is not None
    assert seed is not None
    tokenizer = load_tokenizer(name)
    tokens = calibration_set(dataset, tokenizer, nsamples=nsamples, seqlen=seqlen, seed=seed).tokens
    _require_known(
        model,
        tokens,
        f"{recipe.source}: the tokenizer of {name!r}",
        "; name the model's own in model_name",
    )
    return tokens


def _require_known(model: nn.Module, tokens: Tensor, whose: str, advice: str = "") -> None:
    """Raise FormatError unless tokens are (samples, seqlen) int64 that a model knows."""
    if tokens.ndim != 2 or tokens.dtype != torch.int64 or not tokens.numel():
        raise FormatError(
            f"{whose}: must be (samples, seqlen) int64, got {tuple(tokens.shape)} {tokens.dtype}"
        )
    known = getattr(getattr(model, "config", None), "vocab_size", None)
    worst = int(tokens.max()) if int(tokens.min()) >= 0 else int(tokens.min())
    if known is not None and not 0 <= worst < known:
        raise FormatError(f"{whose}: there is token {worst}, and the model knows {known}{advice}")


def _by_round(progress: Progress) -> Progress:
    """Return a callback that shows a round of the search as one stage."""

    def show(what: str, done: int, total: int) -> None:
        if total:
            progress(f"rotation search, {what.partition(',')[0]}", done, total)

    return show
