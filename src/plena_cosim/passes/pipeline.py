"""Prepare: what a recipe asks for before modules are replaced, in its order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress
from plena_cosim.sources import calibration_set, load_tokenizer

from .calibration import Calibration, calibrate, require_calibratable
from .calibration.in_place import calibration_plans, is_in_place, put_values
from .calibration.static_ranges import collect_ranges, needs_ranges
from .checkpoints.run_folder import require_folder
from .distillation import Distilled, distill, require_distillable
from .fold import fold_rotations, fold_scaling, read_rotations
from .layers.device import on_device
from .layers.evaluating import evaluating
from .plan.plan import Plan
from .plan.plan_model import plans_of
from .recipe.calibration_tables import GptqTable
from .recipe.data_table import DataTable
from .recipe.recipe import Recipe
from .rotation_search import SearchResult, require_searchable, search_rotations
from .weights.spec_tensor import CalibratedWeight
from .weights.spec_values import Ranges
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
        ranges: of inputs and outputs with a static range.
        notes: what a user should be told.
    """

    recipe: Recipe
    plans: list[Plan]
    weights: Mapping[str, CalibratedWeight] = field(default_factory=dict)
    records: Mapping[str, list[WeightRecord]] = field(default_factory=dict)
    search: SearchResult | None = None
    distilled: Distilled | None = None
    ranges: Ranges = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def prepare(
    model: nn.Module,
    recipe: Recipe,
    *,
    plans: list[Plan] | None = None,
    tokens: Tensor | None = None,
    samples: Iterable[Any] | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Do what comes before modules are replaced.

    In this order: [scaling], R1 and R2 of [rotation], [rotation_search], [distill], [gptq],
    [ranges]. Where no selector takes what [gptq] calibrates, it comes before the search, which
    measures it.

    Folding changes the model's weights and keeps its function; training changes both, as does
    calibration that no selector takes; nothing else changes the model. All that can be known to be
    impossible is said before the first stage begins.

    Args:
        model: in floating point, checked against the recipe.
        recipe: checked.
        plans: of the model, by the recipe; None: they are made here.
        tokens: (samples, seqlen) int64 to calibrate with; None for the texts that the recipe names.
        samples: what static ranges are found with, in the place of tokens: each a tensor that the
            model is called with, or a mapping of its arguments.
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
        given = None if samples is None else list(samples)
        plans = plans or plans_of(model, recipe)
        return _prepare(model, recipe, plans, tokens, given, progress)


def _prepare(
    model: nn.Module,
    recipe: Recipe,
    plans: list[Plan],
    tokens: Tensor | None,
    samples: list[Any] | None,
    progress: Progress | None,
) -> Prepared:
    rotation = recipe.rotation
    in_place = calibration_plans(model, recipe) if is_in_place(recipe) else None
    require_possible(model, recipe, plans)
    _require_places(recipe)
    if rotation is not None and rotation.matrices is not None:
        read_rotations(rotation.matrices)  # complains now, not behind [scaling]
    static = needs_ranges(plans)
    if static and samples is None and tokens is None and recipe.ranges is None:
        raise FormatError(
            f"{recipe.source}: some range is static and needs calibration data; add a table "
            "[ranges], or give the pass tokens or samples"
        )
    texts = _Texts.of(model, recipe, tokens, static=static and samples is None)
    if recipe.distill is not None:
        require_distillable(plans, recipe, texts.distill)
    if recipe.scaling is not None:
        norms = rotation is None or not rotation.r1
        fold_scaling(model, recipe.scaling, recipe, texts.scaling, norms=norms, progress=progress)
    if rotation is not None and (rotation.r1 or rotation.r2):
        fold_rotations(
            model,
            r1=rotation.r1,
            r2=rotation.r2,
            size=rotation.size,
            random=rotation.random,
            seed=rotation.seed,
            trained=None if rotation.matrices is None else read_rotations(rotation.matrices),
        )
    notes: tuple[str, ...] = ()
    made: Calibration | None = None
    if in_place is not None:
        made = calibrate(model, in_place, recipe, texts.gptq, progress=progress)
        put_values(in_place, made.weights)
        made = replace(made, weights={})
        notes += made.notes
    found: SearchResult | None = None
    if recipe.rotation_search is not None:
        shown = _by_round(progress) if progress is not None else None
        found = search_rotations(model, recipe, texts.search, progress=shown)
        recipe, notes = found.recipe, (*notes, *found.notes)
        plans = plans_of(model, recipe)
    trained: Distilled | None = None
    if recipe.distill is not None:
        trained = distill(model, plans, recipe, texts.distill, progress=progress)
        notes = (*notes, *trained.notes)
    if recipe.gptq is not None and made is None:
        made = calibrate(model, plans, recipe, texts.gptq, progress=progress)
        notes = (*notes, *made.notes)
    ranges: Ranges = {}
    if static:
        given = list(texts.ranges[:, None]) if samples is None else samples
        ranges = collect_ranges(model, plans, given, progress)
    return Prepared(
        recipe=recipe,
        plans=plans,
        weights=made.weights if made else {},
        records=made.records if made else {},
        search=found,
        distilled=trained,
        ranges=ranges,
        notes=notes,
    )


def require_possible(model: nn.Module, recipe: Recipe, plans: list[Plan]) -> None:
    """Raise FormatError for what a stage would complain of when it begins, maybe hours later.

    Args:
        model: in floating point, or without weights (meta device).
        recipe: checked.
        plans: of the model, by the recipe.
    """
    if recipe.gptq is not None:
        made = calibration_plans(model, recipe) if is_in_place(recipe) else plans
        require_calibratable(model, made, recipe)
    if recipe.rotation_search is not None:
        require_searchable(model, recipe)


def _require_places(recipe: Recipe) -> None:
    """Raise FormatError where a device is not there or a folder cannot be written."""
    on_device(recipe, None)
    gptq, search = recipe.gptq, recipe.rotation_search
    if gptq is not None and gptq.checkpoint_dir is not None:
        require_folder(Path(gptq.checkpoint_dir), "[gptq] checkpoint_dir")
    if search is not None and search.cache_path is not None:
        require_folder(Path(search.cache_path).parent, "[rotation_search] folder of cache_path")


@dataclass(frozen=True, kw_only=True)
class _Texts:
    """The samples of each stage, (samples, seqlen) int64; empty where there is no such stage."""

    gptq: Tensor
    search: Tensor
    scaling: Tensor
    distill: Tensor
    ranges: Tensor

    @classmethod
    def of(cls, model: nn.Module, recipe: Recipe, tokens: Tensor | None, *, static: bool) -> _Texts:
        """Read all texts that are needed; with `tokens`, every stage takes these."""

        def samples(table: GptqTable | DataTable | None) -> Tensor:
            if table is None:
                return torch.empty(0, 0, dtype=torch.int64)
            return calibration_tokens(model, recipe, table) if tokens is None else tokens

        search = torch.empty(0, 0, dtype=torch.int64)
        if recipe.rotation_search is not None:
            search = _search_tokens(model, recipe) if tokens is None else tokens
        return cls(
            gptq=samples(recipe.gptq),
            search=search,
            scaling=samples(recipe.scaling),
            distill=samples(recipe.distill),
            ranges=(tokens if tokens is not None else samples(recipe.ranges))
            if static
            else samples(None),
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
