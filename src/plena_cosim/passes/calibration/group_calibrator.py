"""GroupCalibrator: weights of modules that read the same input, fitted to what they have seen."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from plena_cosim.golden import FormatError

from ..layers.output_cache import OutputCache
from ..layers.run import Stop
from ..recipe.calibration_tables import GptqTable
from ..weights.spec_tensor import CalibratedWeight
from ..weights.weight_record import WeightRecord, histogram
from .algorithms import ALGORITHMS, Wanted
from .fit import fit_matrices
from .hessian import Hessian
from .target import CalibrationTarget


@dataclass(kw_only=True)
class GroupCalibrator:
    """The Hessians of one group of targets: one, or one an expert.

    Attributes:
        targets: they read the same input.
        table: how they are fitted.
        hessians: of the input, by expert.
    """

    targets: list[CalibrationTarget]
    table: GptqTable
    hessians: list[Hessian]
    _first: list[Tensor] = field(default_factory=list)

    @classmethod
    def of(
        cls, targets: list[CalibrationTarget], table: GptqTable, device: torch.device
    ) -> GroupCalibrator:
        """Return one that has seen nothing.

        Args:
            targets: at least one.
            table: how they are fitted.
            device: where the Hessians are summed.
        """
        matrices = targets[0].matrices()
        hessians = [
            Hessian.zeros(
                matrix.shape[1],
                unit=table.token_weights == "unit",
                cross_gram=ALGORITHMS[table.algorithm].sums_cross_gram(expert=targets[0].is_expert),
                device=device,
            )
            for matrix in matrices
        ]
        return cls(targets=targets, table=table, hessians=hessians)

    def observe(
        self,
        batch: int,
        *,
        quantized_layer: OutputCache,
        float_layer: OutputCache,
        quantized_inputs: Tensor,
        float_inputs: Tensor,
        arguments: dict[str, Any],
    ) -> None:
        """Take in one batch; the quantised layer stops where it has reached the group.

        Args:
            batch: its number.
            quantized_layer: the layer that the targets are in; what they multiply is summed.
            float_layer: the layer that it was made from; its operands may be what is wanted.
            quantized_inputs: (samples, tokens, width), hidden states behind quantised layers.
            float_inputs: the same behind float layers; read where those operands are wanted.
            arguments: what both layers are called with besides.
        """
        target = self.targets[0]
        float_operand: Tensor | None = None
        if ALGORITHMS[self.table.algorithm].wanted is Wanted.FLOAT and not target.is_expert:
            float_operand = float_layer.input_of(target.name, batch, float_inputs, arguments)

        def see(expert: int, operand: Tensor, given: Tensor) -> None:
            wanted = None
            if self.hessians[expert].cross_gram is not None:
                wanted = given if float_operand is None else float_operand
                wanted = target.in_basis(wanted.to(operand.device))
            self.hessians[expert].add(operand, wanted)
            if not target.is_expert:
                self._first.append(_first_token(operand))
                raise Stop

        target.quantized.observer = see
        try:
            with suppress(Stop):
                quantized_layer.run(batch, quantized_inputs, arguments)
        finally:
            target.quantized.observer = None

    def solved(self, where: str) -> list[tuple[CalibratedWeight, list[WeightRecord]]]:
        """Quantise the weights, give them to the quantised modules and return them with records.

        Args:
            where: the layer, for messages.

        Returns:
            For each target its weight as its module stores it, and a record for each matrix.

        Raises:
            FormatError: an operand was not finite.
        """
        solutions: list[list[CalibratedWeight]] = [[] for _ in self.targets]
        records: list[list[WeightRecord]] = [[] for _ in self.targets]
        matrices = [target.matrices() for target in self.targets]
        for expert, hessian in enumerate(self.hessians):
            if not bool(hessian.gram.isfinite().all()):
                raise FormatError(
                    f"{where}.{self.targets[0].name}: activations hold a NaN or Inf, or their "
                    "squares overflow; load the model in float32, or give other calibration text"
                )
            own = [found[expert] for found in matrices]
            for number, (weight, record) in enumerate(self._matrices(own, hessian)):
                solutions[number].append(weight)
                records[number].append(record)
        return [
            (target.put(found), record)
            for target, found, record in zip(self.targets, solutions, records, strict=True)
        ]

    def _matrices(
        self, weights: list[Tensor], hessian: Hessian
    ) -> list[tuple[CalibratedWeight, WeightRecord]]:
        """Fit matrices that share a Hessian."""
        table, n = self.table, weights[0].shape[1]
        gram = hessian.gram
        if not hessian.tokens:
            gram = torch.eye(n, device=gram.device)
        # Fewer operands than columns say little about most directions: trust them less.
        more = max(1.0, n / max(hessian.tokens, 1))
        found = []
        pairs = zip(self.targets, weights, strict=True)
        for fmt, same in groupby(pairs, lambda pair: pair[0].fmt):
            rows = [weight.to(gram.device).float() for _, weight in same]
            parts = fit_matrices(rows, fmt, gram, hessian.cross_gram, table, more_damping=more)
            for part in parts:
                record = WeightRecord(
                    tokens=hessian.tokens,
                    rounded=not hessian.tokens,
                    loss=float(part.loss.sum()),
                    gain=float(part.gain.sum()),
                    offsets=histogram(part.offsets),
                    first_token=float(torch.stack(self._first).mean()) if self._first else 0.0,
                )
                found.append((part.weight, record))
        return found


def _first_token(operand: Tensor) -> Tensor:
    """Return how many times larger a sample's first token is than the median one."""
    sizes = operand.float().square().mean(-1).sqrt()
    return (sizes[..., 0] / sizes.median().clamp_min(1e-30)).mean().cpu()
