"""GroupCalibrator: weights of modules that read the same input, fitted to what they have seen."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FormatError

from ..layers.output_cache import OutputCache
from ..layers.run import Stop
from ..recipe.calibration_tables import GptqTable
from ..weights.weight_record import WeightRecord, histogram
from .algorithms import ALGORITHMS, Wanted
from .descent import descend
from .gptq import block_columns, damped, factorise
from .hessian import Hessian
from .settings import scale_search
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

    def solved(self, where: str) -> list[tuple[MxTensor, list[WeightRecord]]]:
        """Quantise the weights, give them to the quantised modules and return them with records.

        Args:
            where: the layer, for messages.

        Returns:
            For each target its weight as its module stores it, and a record for each matrix.

        Raises:
            FormatError: an operand was not finite.
        """
        solutions: list[list[MxTensor]] = [[] for _ in self.targets]
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
    ) -> list[tuple[MxTensor, WeightRecord]]:
        """Fit matrices that share a Hessian, all rows in one go where their formats are one."""
        table, n = self.table, weights[0].shape[1]
        gram = hessian.gram
        if not hessian.tokens:
            gram = torch.eye(n, device=gram.device)
        # Fewer operands than columns say little about most directions: trust them less.
        damp = table.damp_percent * max(1.0, n / max(hessian.tokens, 1))
        size = self.targets[0].mx.block_size
        order = _descending(gram, size) if table.desc_act else None
        columns = block_columns(order, n, size) if order else None
        natural = factor = factorise(gram, damp)
        if columns is not None:
            factor = factorise(gram[columns][:, columns], damp)
        search = scale_search(table)
        found = []
        for mx, same in groupby(zip(self.targets, weights, strict=True), lambda pair: pair[0].mx):
            rows = [weight.to(gram.device).float() for _, weight in same]
            wanted = torch.cat(rows)
            if hessian.cross_gram is not None:
                wanted = target_weight(wanted, hessian.cross_gram, natural)
            solution = ALGORITHMS[table.algorithm].fit(wanted, factor, mx, search, order)
            if table.descent_sweeps:
                whole = damped(gram, damp)
                solution = descend(solution, wanted, whole, mx, search, sweeps=table.descent_sweeps)
            for part in solution.split([len(weight) for weight in rows]):
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


def target_weight(weight: Tensor, cross_gram: Tensor, factor: Tensor) -> Tensor:
    """Return the float weight W' that is best for operands x where t is wanted.

    Least squares of ||W' x - W t||^2: W' = W + W C H^-1 with C = sum (t - x) x^T, the correction of
    GPTAQ (Li et al. 2025), for whom t is the float model's.

    Args:
        weight: (rows, n) float32.
        cross_gram: (n, n), C.
        factor: (n, n) float64, U of `factorise`.

    Returns:
        (rows, n) float32; the correction is computed in float64 and rounded once, then added.
    """
    change: Tensor = torch.linalg.multi_dot(
        [weight.double(), cross_gram.double(), factor.T, factor]
    )
    return weight + change.float()


def _descending(gram: Tensor, size: int) -> list[int]:
    """Return the blocks in descending order of their share of the Hessian's diagonal."""
    energy = [float(part.mean()) for part in torch.split(gram.diagonal(), size)]
    return sorted(range(len(energy)), key=lambda block: -energy[block])


def _first_token(operand: Tensor) -> Tensor:
    """Return how many times larger a sample's first token is than the median one."""
    sizes = operand.float().square().mean(-1).sqrt()
    return (sizes[..., 0] / sizes.median().clamp_min(1e-30)).mean().cpu()
