"""Fit: the weights of modules that read the same input, fitted to what they have seen."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FormatError

from ..layers.recall import Recall
from ..layers.run import Stop
from ..recipe.calibration_tables import GptqTable
from ..weights.weight_record import WeightRecord, histogram
from .descent import descend
from .gptq import block_columns, damped, factorise, solve
from .hessian import Hessian
from .settings import scale_search
from .site import Site


@dataclass(kw_only=True)
class Fit:
    """The Hessians of one group of sites: one, or one an expert.

    Attributes:
        sites: they read the same input.
        table: how they are fitted.
        hessians: of the input, by expert.
    """

    sites: list[Site]
    table: GptqTable
    hessians: list[Hessian]
    _first: list[Tensor] = field(default_factory=list)

    @classmethod
    def of(cls, sites: list[Site], table: GptqTable, device: torch.device) -> Fit:
        """Return one that has seen nothing."""
        matrices = sites[0].matrices()
        hessians = [
            Hessian.zeros(
                matrix.shape[1],
                unit=table.token_weights == "unit",
                cross=table.algorithm == "local"
                or (table.algorithm == "gptaq" and not sites[0].is_expert),
                device=device,
            )
            for matrix in matrices
        ]
        return cls(sites=sites, table=table, hessians=hessians)

    def observe(
        self,
        batch: int,
        twin: Recall,
        layer: Recall,
        hidden: Tensor,
        true: Tensor,
        arguments: Any,
    ) -> None:
        """Take in one batch: `hidden` goes into the twin, `true` into the float layer."""
        site = self.sites[0]
        wanted: Tensor | None = None
        if self.table.algorithm == "gptaq" and not site.is_expert:
            wanted = layer.input_of(site.name, batch, true, arguments)

        def see(expert: int, operand: Tensor, given: Tensor) -> None:
            target = None
            if self.hessians[expert].cross is not None:
                target = site.in_basis((given if wanted is None else wanted).to(operand.device))
            self.hessians[expert].add(operand, target)
            if not site.is_expert:
                self._first.append(_first_token(operand))
                raise Stop

        site.twin.observer = see
        try:
            with suppress(Stop):
                twin.run(batch, hidden, arguments)
        finally:
            site.twin.observer = None

    def solved(self, where: str) -> list[tuple[MxTensor, list[WeightRecord]]]:
        """Quantise the weights, give them to the twins and return them with their records.

        Raises:
            FormatError: an operand was not finite.
        """
        solutions: list[list[MxTensor]] = [[] for _ in self.sites]
        records: list[list[WeightRecord]] = [[] for _ in self.sites]
        matrices = [site.matrices() for site in self.sites]
        for expert, hessian in enumerate(self.hessians):
            if not bool(hessian.second.isfinite().all()):
                raise FormatError(
                    f"{where}.{self.sites[0].name}: activations hold a NaN or Inf, or their "
                    "squares overflow; load the model in float32, or give other calibration text"
                )
            own = [found[expert] for found in matrices]
            for number, (weight, record) in enumerate(self._matrices(own, hessian)):
                solutions[number].append(weight)
                records[number].append(record)
        return [
            (site.put(found), record)
            for site, found, record in zip(self.sites, solutions, records, strict=True)
        ]

    def _matrices(
        self, weights: list[Tensor], hessian: Hessian
    ) -> list[tuple[MxTensor, WeightRecord]]:
        """Fit matrices that share a Hessian, all rows in one go where their formats are one."""
        table, n = self.table, weights[0].shape[1]
        second = hessian.second
        if not hessian.tokens:
            second = torch.eye(n, device=second.device)
        # Fewer operands than columns say little about most directions: trust them less.
        damp = table.damp_percent * max(1.0, n / max(hessian.tokens, 1))
        size = self.sites[0].mx.block_size
        order = _descending(second, size) if table.desc_act else None
        columns = block_columns(order, n, size) if order else None
        natural = factor = factorise(second, damp)
        if columns is not None:
            factor = factorise(second[columns][:, columns], damp)
        search = scale_search(table)
        found = []
        for mx, same in groupby(zip(self.sites, weights, strict=True), lambda pair: pair[0].mx):
            rows = [weight.to(second.device).float() for _, weight in same]
            target = torch.cat(rows)
            if hessian.cross is not None:
                target = target_weight(target, hessian.cross, natural)
            solution = solve(target, factor, mx, search, order)
            if table.descent_sweeps:
                whole = damped(second, damp)
                solution = descend(solution, target, whole, mx, search, sweeps=table.descent_sweeps)
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


def target_weight(weight: Tensor, cross: Tensor, factor: Tensor) -> Tensor:
    """Return the float weight W' that is best for operands x where t is wanted.

    Least squares of ||W' x - W t||^2: W' = W + W C H^-1 with C = sum (t - x) x^T, the correction of
    GPTAQ (Li et al. 2025), for whom t is the float model's.

    Args:
        weight: (rows, n).
        cross: (n, n), C.
        factor: (n, n) float64, U of `factorise`.
    """
    change: Tensor = torch.linalg.multi_dot([weight.double(), cross.double(), factor.T, factor])
    return weight + change.float()


def _descending(second: Tensor, size: int) -> list[int]:
    """Return the blocks in descending order of their share of the Hessian's diagonal."""
    energy = [float(part.mean()) for part in torch.split(second.diagonal(), size)]
    return sorted(range(len(energy)), key=lambda block: -energy[block])


def _first_token(operand: Tensor) -> Tensor:
    """Return how many times larger a sample's first token is than the median one."""
    sizes = operand.float().square().mean(-1).sqrt()
    return (sizes[..., 0] / sizes.median().clamp_min(1e-30)).mean().cpu()
