"""fold_scaling: scales of channels that make a model easier to quantise, folded into its weights.

Balanced energies (docs/folding.md), SmoothQuant (Xiao et al. 2022, arXiv:2211.10438, equation 4),
AWQ (Lin et al. 2023, arXiv:2306.00978, equations 4 and 5), and AutoSmoothQuant as AMD Quark has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress

from ..layers.evaluating import evaluating
from ..layers.run import run
from ..layers.stream import Stream, capture
from ..plan.match import choose
from ..recipe.recipe import Phase, Recipe
from ..recipe.scaling_table import ScalingTable
from ..recipe.selector import Selector
from .calls import Calls
from .channels import Channels
from .find_structure import find_structure
from .groups import Group, groups_of
from .matrix import Matrix, Side
from .module_error import ModuleError, module_of
from .output_error import OutputError
from .structure import Norm
from .value_path import require_values_by_head

ERROR_TOKENS = 1024
"""At most so many of the calibration tokens judge the exponents of AWQ."""
AUTO_STEPS = 10
"""AutoSmoothQuant tries the exponents 0, 0.1 … 0.9."""
LARGEST_SCALE = 1e4
"""Scales lie between this and its reciprocal, so that weights stay within their dtype."""


@dataclass(frozen=True, kw_only=True)
class ScalingRecord:
    """What was chosen for one group of channels.

    Attributes:
        method: "balance", "smoothquant", "awq" or "autosmoothquant".
        targets: names of the weights that take the scales in.
        exponent: alpha, or the one that a search has chosen.
        largest: the largest scale.
        error_before, error_after: the error that a search has compared, without scales (the
            exponent 0) and with those that were chosen.
    """

    method: str
    targets: tuple[str, ...]
    exponent: float
    largest: float
    error_before: float | None = None
    error_after: float | None = None


@torch.no_grad()
def fold_scaling(
    model: nn.Module,
    table: ScalingTable,
    recipe: Recipe,
    tokens: Tensor,
    *,
    norms: bool = True,
    progress: Progress | None = None,
) -> dict[str, ScalingRecord]:
    """Scale the channels of a decoder by what calibration tokens show, in place.

    The groups are: norm to q, k, v; v_proj to o_proj, one scale for all query heads that share a
    head of values; norm to gate, up, experts and router; up_proj to down_proj. A group of which
    the recipe quantises no target is left alone, and so are values that are not kept by head. All
    scales are found on the original model and then folded, in float64, rounded once.

    Args:
        model: a float `…ForCausalLM` of transformers.
        table: the method.
        recipe: says which layers are quantised, and to what (prefill).
        tokens: (n, seqlen) token ids.
        norms: False leaves out the groups behind norms. R1 fuses a norm's gain into its readers, in
            which such scales cancel: with fold_rotations(r1=True) to follow they are wasted work.
        progress: called after each layer, with layers done and layers in all.

    Returns:
        By the name of the module that gives the channels, in the model's order.

    Raises:
        FormatError: the model has a part that folding does not know, no group is quantised, or an
            activation is not finite. Nothing has been changed then.
    """
    structure = find_structure(model)
    chosen = choose(model, recipe, Phase.PREFILL)
    try:
        require_values_by_head(model, structure)
        values = True
    except FormatError:
        values = False
    groups = [groups_of(layer, chosen, norms=norms, values=values) for layer in structure.layers]
    if not any(groups):
        raise FormatError(
            f"{recipe.source} [scaling]: the recipe quantises no layer whose inputs can be scaled"
        )
    layers = [model.get_submodule(layer.name) for layer in structure.layers]
    found: list[tuple[Group, Tensor]] = []
    records: dict[str, ScalingRecord] = {}
    with evaluating(model):
        stream = capture(model, layers, tokens)
        keep = _kept(tokens) if table.method == "awq" else None
        for index, of_layer in enumerate(groups):
            calls = table.method == "autosmoothquant"
            for channels in _observe(model, stream, index, of_layer, keep, calls=calls):
                scales, record = _CHOICES[table.method](channels, table, chosen, model)
                found.append((channels.group, scales))
                records[channels.group.name] = record
            if progress is not None:
                progress("scaling", index + 1, len(groups))
    _fold(found)
    return records


def _observe(
    model: nn.Module,
    stream: Stream,
    index: int,
    groups: list[Group],
    keep: Tensor | None,
    *,
    calls: bool,
) -> list[Channels]:
    """Take all samples through one layer and return what its groups have seen."""
    watched = [
        Channels(group, Calls(model.get_submodule(module_of(group))) if calls else None)
        for group in groups
    ]
    handles = [handle for channels in watched for handle in channels.watch(model)]
    try:
        for sample, hidden in enumerate(stream.hidden):
            for channels in watched:
                channels.keep = None if keep is None else keep[sample]
            output = run(stream.layers[index], hidden, stream.arguments[index])
            stream.hidden[sample] = output.cpu()
    finally:
        for handle in handles:
            handle.remove()
    for channels in watched:
        channels.require_finite()
    return watched


def _kept(tokens: Tensor) -> Tensor:
    """Return which tokens judge AWQ's exponents, (samples, seqlen); the same for every layer."""
    order = torch.randperm(tokens.numel(), generator=torch.Generator().manual_seed(0))
    keep = torch.zeros(tokens.numel(), dtype=torch.bool)
    keep[order[:ERROR_TOKENS]] = True
    return keep.reshape(tokens.shape)


def _smooth(
    channels: Channels, table: ScalingTable, chosen: Mapping[str, Selector], model: nn.Module
) -> tuple[Tensor, ScalingRecord]:
    """Return s = max|X|^alpha / max|W|^(1 - alpha)."""
    group = channels.group
    x = group.gathered(channels.largest).amax(1)
    weights = [t.largest_by_input() for t in group.targets if t.module in chosen]
    w = group.gathered(torch.stack(weights).amax(0)).amax(1)
    alive = (x > 0) & (w > 0)
    scales = torch.where(alive, x**table.alpha / w ** (1 - table.alpha), 1.0)
    scales = _bounded(scales).clamp(min=table.scale_clamp_min)
    return scales.flatten(), _record(table, group, table.alpha, scales)


def _aware(
    channels: Channels, table: ScalingTable, chosen: Mapping[str, Selector], model: nn.Module
) -> tuple[Tensor, ScalingRecord]:
    """Return s = mean|X|^a with the exponent a of the grid that errs least."""
    group = channels.group
    x = group.gathered(channels.mean).mean(1)
    error, errors, tried = OutputError(channels, chosen), [], []
    for step in range(table.grid + 1):
        tried.append(activation_scales(x, step / table.grid).flatten())
        errors.append(error.of(tried[-1]))
    best = errors.index(min(errors))
    record = _record(table, group, best / table.grid, tried[best], errors[0], errors[best])
    return tried[best], record


def _automatic(
    channels: Channels, table: ScalingTable, chosen: Mapping[str, Selector], model: nn.Module
) -> tuple[Tensor, ScalingRecord]:
    """Return s = max|X|^a with the exponent a with which the module around errs least."""
    group = channels.group
    x = group.gathered(channels.largest).amax(1)
    assert channels.calls is not None
    error = ModuleError(group, channels.calls, model, chosen, loss=table.loss)
    tried = [activation_scales(x, step / AUTO_STEPS).flatten() for step in range(AUTO_STEPS)]
    errors = [error.of(scales) for scales in tried]
    best = errors.index(min(errors))
    record = _record(table, group, best / AUTO_STEPS, tried[best], errors[0], errors[best])
    return tried[best], record


def _balance(
    channels: Channels, table: ScalingTable, chosen: Mapping[str, Selector], model: nn.Module
) -> tuple[Tensor, ScalingRecord]:
    """Return s = √(rms X / rms W), divided by √(largest · smallest).

    Blocks whose elements are alike, as those that a rotation has mixed, err in proportion to their
    energy, and so do outputs to (Σ x² / s²)(Σ w² s²), which this makes as small as it can be.
    """
    group = channels.group
    x = group.gathered(channels.energy).mean(1).sqrt()
    energies = [t.energy_by_input() for t in group.targets if t.module in chosen]
    w = group.gathered(torch.stack(energies).sum(0)).sum(1).sqrt()
    ratio = torch.where((x > 0) & (w > 0), x / w, 0.0)
    scales = activation_scales(ratio, 0.5).flatten()
    return scales, _record(table, group, 0.5, scales)


def activation_scales(mean: Tensor, exponent: float) -> Tensor:
    """Return mean|X|^exponent, divided by √(largest · smallest) so that weights keep their size.

    Channels that are always zero get one, and do not count for the two.

    Args:
        mean: float64, >= 0, any shape: mean|X| or another figure of each channel.
        exponent: 0 gives ones.

    Returns:
        float64 in the shape of `mean`, between 1 / LARGEST_SCALE and LARGEST_SCALE.

    Source: AWQ (Lin et al. 2023, arXiv:2306.00978), equation 5; the division is of its code.
    """
    scales, alive = mean**exponent, mean > 0
    if not bool(alive.any()):
        return torch.ones_like(mean)
    middle = (scales[alive].max() * scales[alive].min()).sqrt()
    return _bounded(torch.where(alive, scales / middle, 1.0))


_CHOICES = {
    "smoothquant": _smooth,
    "awq": _aware,
    "balance": _balance,
    "autosmoothquant": _automatic,
}


def _bounded(scales: Tensor) -> Tensor:
    return scales.clamp(1 / LARGEST_SCALE, LARGEST_SCALE)


def _record(
    table: ScalingTable, group: Group, exponent: float, scales: Tensor, *errors: float
) -> ScalingRecord:
    before, after = errors or (None, None)
    return ScalingRecord(
        method=table.method,
        targets=tuple(target.name for target in group.targets),
        exponent=exponent,
        largest=float(scales.max()),
        error_before=before,
        error_after=after,
    )


def _fold(found: list[tuple[Group, Tensor]]) -> None:
    """Bring all scales into the weights, each weight once."""
    inputs: dict[int, Tensor] = {}
    outputs: dict[int, Tensor] = {}
    matrices: dict[int, Matrix] = {}
    for group, scales in found:
        if isinstance(group.source, Norm):
            group.source.set_gain(group.source.gain() / scales)
        else:
            outputs[id(group.source.weight)] = 1 / scales
            matrices[id(group.source.weight)] = group.source
        for target in group.targets:
            inputs[id(target.weight)] = group.spread(scales)
            matrices[id(target.weight)] = target
    for key, matrix in matrices.items():
        matrix.fold(inputs=Side(gain=inputs.get(key)), outputs=Side(gain=outputs.get(key)))
