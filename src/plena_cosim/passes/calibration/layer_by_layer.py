"""Layer by layer: fit the weights of a model to its data.

Each layer is calibrated on what the quantised layers before it put out, with its own inputs
quantised as they will be; inside a layer, projections that read the same input go together and the
groups go in the order in which they run. The model itself is not changed: a quantised copy of one
layer at a time is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress

from ..layers.device import device_of
from ..layers.output_cache import OutputCache
from ..layers.stack import Stack, require_own_modules, stack_of
from ..layers.stream import capture
from ..plan.plan import Plan
from ..recipe.calibration_tables import GptqTable
from ..recipe.recipe import Recipe
from ..weights.spec_tensor import CalibratedWeight
from ..weights.weight_record import WeightRecord
from .algorithms import ALGORITHMS, Wanted
from .checkpoint import Checkpoints, Layer
from .eager_masks import eager_masks
from .group_calibrator import GroupCalibrator
from .quantized_layer import quantized_layer
from .settings import fingerprint_of
from .target import StoredAs, grouped, targets_of, weights_of

"""Called with layers done and layers in all."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Calibrated weights.

    Attributes:
        weights: by the names of the modules that take them.
        records: what was found, by the same names; one an expert where there are several.
        resumed: layers that were taken from checkpoints.
        notes: what a user should be told.
    """

    weights: Mapping[str, CalibratedWeight]
    records: Mapping[str, list[WeightRecord]]
    resumed: int = 0
    notes: tuple[str, ...] = ()


@torch.no_grad()
def calibrate(
    model: nn.Module,
    plans: list[Plan],
    recipe: Recipe,
    tokens: Tensor,
    *,
    progress: Progress | None = None,
) -> Calibration:
    """Return the calibrated weight of every module whose selector says gptq = true.

    GPTQ (Frantar et al. 2022, arXiv:2210.17323), or GPTAQ (Li et al. 2025, arXiv:2504.02692) and
    Qronos (Zhang et al. 2025, arXiv:2505.11695), whose layers are fitted to what the float model
    makes of its own inputs.

    Args:
        model: a transformers model in floating point; not changed.
        plans: of the model, from `plans_of`.
        recipe: with a [gptq] table.
        tokens: (samples, seqlen) int64.
        progress: called after each layer that is run, with layers done and layers in all.

    Returns:
        Weights as their modules store them, with records; the same bits whether or not some came
        from checkpoints.

    Raises:
        FormatError: a module cannot be calibrated, activations are not finite, or checkpoints
            cannot be written.
    """
    assert recipe.gptq is not None
    run_through = _Run(model, plans, recipe, tokens, recipe.gptq)
    return run_through.all(progress)


def require_calibratable(model: nn.Module, plans: list[Plan], recipe: Recipe) -> None:
    """Raise FormatError for what `calibrate` would refuse of a model; it may be without weights.

    Args:
        model: in floating point.
        plans: of the model, from `plans_of`.
        recipe: with a [gptq] table.
    """
    assert recipe.gptq is not None
    _stack(model, plans, recipe.source)


def _stack(model: nn.Module, plans: Sequence[Plan], source: str) -> Stack:
    names = weights_of(plans, source)
    stack = stack_of(model, names, source)
    require_own_modules(stack, {plan.name: plan.module for plan in plans}, source)
    outside = [name for name in names if stack.index_of(name) is None]
    if outside:
        raise FormatError(
            f"{source}: {outside[0]!r} is outside of the model's layers ({stack.name}), and only "
            "modules of layers can be calibrated"
        )
    return stack


class _Run:
    """One way through the layers."""

    def __init__(
        self,
        model: nn.Module,
        plans: list[Plan],
        recipe: Recipe,
        tokens: Tensor,
        table: GptqTable,
    ) -> None:
        self.model, self.plans, self.recipe = model, plans, recipe
        self.tokens, self.table = tokens, table
        self.names = weights_of(plans, recipe.source)
        self.stack = _stack(model, plans, recipe.source)
        self.device = device_of(table, "gptq")
        self.checkpoints: Checkpoints | None = None
        if table.checkpoint_dir is not None:
            fingerprint = fingerprint_of(model, recipe, tokens)
            self.checkpoints = Checkpoints(Path(table.checkpoint_dir), fingerprint)

    def all(self, progress: Progress | None) -> Calibration:
        count = min(len(self.stack.layers), self.table.max_layers or len(self.stack.layers))
        found = {index: self._saved(index) for index in range(count)}
        missing = [index for index, layer in found.items() if layer is None]
        last = missing[-1] if missing else -1
        if missing:
            with eager_masks(self.model):
                stream = capture(
                    self.model, self.stack.layers, self.tokens, self.table.cali_batch_size
                )
            state = _State(
                arguments=stream.arguments,
                quantized_inputs=stream.hidden,
                float_inputs=stream.hidden,
            )
            for index in range(last + 1):
                found[index] = self._layer(index, found[index], state, more=index < last)
                if progress is not None:
                    progress("calibration", index + 1, count)
        weights: dict[str, CalibratedWeight] = {}
        records: dict[str, list[WeightRecord]] = {}
        for layer in found.values():
            assert layer is not None
            weights |= layer[0]
            records |= layer[1]
        notes = self.checkpoints.notes if self.checkpoints else []
        return Calibration(
            weights=weights,
            records=records,
            resumed=count - len(missing),
            notes=(*notes, *_starved(records, weights)),
        )

    def _saved(self, index: int) -> Layer | None:
        if self.checkpoints is None:
            return None
        return self.checkpoints.load(index, self._inside(index))

    def _inside(self, index: int) -> dict[str, StoredAs]:
        prefix = f"{self.stack.layer_name(index)}."
        return {name: about for name, about in self.names.items() if name.startswith(prefix)}

    def _layer(self, index: int, saved: Layer | None, state: _State, *, more: bool) -> Layer:
        """Calibrate one layer, or take what was saved, and move the state behind it."""
        layer, name = self.stack.layers[index], self.stack.layer_name(index)
        arguments = state.arguments[index]
        weights = saved[0] if saved else {}
        quantized = quantized_layer(layer, name, self.plans, self.recipe, weights).to(self.device)
        float_cache, quantized_cache = OutputCache(layer), OutputCache(quantized)
        result = saved or self._calibrated(index, float_cache, quantized_cache, state)
        if self.checkpoints is not None and saved is None:
            self.checkpoints.save(index, result)
        if more:
            state.quantized_inputs = quantized_cache.run_all(state.quantized_inputs, arguments)
            if ALGORITHMS[self.table.algorithm].wanted is Wanted.FLOAT:
                state.float_inputs = float_cache.run_all(state.float_inputs, arguments)
        return result

    def _calibrated(
        self, index: int, float_cache: OutputCache, quantized_cache: OutputCache, state: _State
    ) -> Layer:
        """Calibrate the groups of one layer in the order in which they run.

        Args:
            index: of the layer.
            float_cache: the layer itself.
            quantized_cache: its quantised copy, which takes each weight as soon as it is found.
            state: hidden states in front of both.
        """
        name, arguments = self.stack.layer_name(index), state.arguments[index]
        layer, quantized = float_cache.layer, quantized_cache.layer
        inside = [full.removeprefix(f"{name}.") for full in self._inside(index)]
        weights: dict[str, CalibratedWeight] = {}
        records: dict[str, list[WeightRecord]] = {}
        sample = state.quantized_inputs[0][:1]
        targets = targets_of(layer, quantized, inside)
        groups = grouped(quantized, targets, sample, arguments)
        for number, group in enumerate(groups):
            later = [target for others in groups[number:] for target in others]
            quantized_cache.waiting = {target.place for target in later}
            calibrator = GroupCalibrator.of(group, self.table, self.device)
            pairs = zip(state.quantized_inputs, state.float_inputs, strict=True)
            for batch, (quantized_inputs, float_inputs) in enumerate(pairs):
                calibrator.observe(
                    batch,
                    quantized_layer=quantized_cache,
                    float_layer=float_cache,
                    quantized_inputs=quantized_inputs,
                    float_inputs=float_inputs,
                    arguments=arguments,
                )
            solved = calibrator.solved(f"{self.recipe.source}: {name}")
            for target, (weight, found) in zip(group, solved, strict=True):
                weights[f"{name}.{target.name}"], records[f"{name}.{target.name}"] = weight, found
        quantized_cache.waiting = ()
        return weights, records


def _starved(
    records: Mapping[str, list[WeightRecord]], weights: Mapping[str, CalibratedWeight]
) -> list[str]:
    """Return what to say of matrices that have seen few operands or none."""
    notes = []
    for name, found in records.items():
        inputs = weights[name].shape[weights[name].axis]
        none = sum(record.tokens == 0 for record in found)
        few = sum(0 < record.tokens < inputs for record in found)
        for count, what in (
            (none, "saw no token and are rounded to nearest"),
            (
                few,
                f"saw fewer tokens than their {inputs} inputs, and take more damping",
            ),
        ):
            if count:
                notes.append(f"{name}: {count} of {len(found)} matrices {what}; give more samples")
    return notes


@dataclass(kw_only=True)
class _State:
    """How far hidden states are.

    Attributes:
        arguments: by layer: what each is called with besides hidden states.
        quantized_inputs: batches (samples, tokens, width) behind quantised layers, on the CPU.
        float_inputs: the same behind float layers; brought forward where Wanted.FLOAT.
    """

    arguments: list[dict[str, Any]]
    quantized_inputs: list[Tensor]
    float_inputs: list[Tensor]
