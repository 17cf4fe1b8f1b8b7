"""fit_matrices: matrices that read the same operands, quantised as an algorithm has it."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.golden import Mx

from ..recipe.calibration_tables import GptqTable
from ..recipe.spec_format import SpecFormat
from .algorithms import ALGORITHMS
from .descent import descend
from .gptq import Solution, block_columns, damped, solve
from .settings import scale_search
from .spec_gptq import solve_spec


def fit_matrices(
    matrices: list[Tensor],
    fmt: Mx | SpecFormat,
    gram: Tensor,
    cross_gram: Tensor | None,
    table: GptqTable,
    *,
    more_damping: float = 1.0,
) -> list[Solution]:
    """Return a solution for each matrix.

    Args:
        matrices: (rows, n) float32 each.
        fmt: of all of them.
        gram, cross_gram: (n, n), of `Hessian`; without the latter what is wanted are the outputs
            of the matrices for their own operands.
        table: how they are fitted.
        more_damping: how many times the damping of the table is added.
    """
    algorithm, n = ALGORITHMS[table.algorithm], len(gram)
    damping = algorithm.damping(table, gram)
    size = fmt.block_size if isinstance(fmt, Mx) else 1
    order = _descending(gram, size) if table.desc_act else None
    columns = list(range(n)) if order is None else block_columns(order, n, size)
    natural = factor = damping.factor(gram, more=more_damping)
    if order is not None:
        factor = damping.factor(gram[columns][:, columns], more=more_damping)

    def wanted(weight: Tensor) -> tuple[Tensor, Tensor | None]:
        if cross_gram is None:
            return weight, None
        first = None
        if algorithm.corrects_first:
            first = first_column(weight, gram, cross_gram, columns[0])
        return target_weight(weight, cross_gram, natural), first

    if isinstance(fmt, SpecFormat):
        found = []
        for matrix in matrices:
            weight, first = wanted(matrix)
            found.append(
                solve_spec(
                    weight,
                    factor,
                    fmt,
                    block_size=table.block_size,
                    static_groups=table.static_groups,
                    original=matrix,
                    order=order,
                    first=first,
                )
            )
        return found
    # Rows do not depend on each other: all in one go.
    weight, first = wanted(torch.cat(matrices))
    search = scale_search(table)
    solution = solve(weight, factor, fmt, search, order, first=first)
    if table.descent_sweeps:
        whole = damped(gram, damping.share * more_damping)
        solution = descend(solution, weight, whole, fmt, search, sweeps=table.descent_sweeps)
    return solution.split([len(matrix) for matrix in matrices])


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


def first_column(weight: Tensor, gram: Tensor, cross_gram: Tensor, index: int) -> Tensor:
    """Return what is best for one column, operands x where t is wanted, all others as they are.

    Least squares again: w + (W C) / H_ii, both of column i. Qronos (Zhang et al. 2025,
    arXiv:2505.11695) rounds it before the others move: w^(1) of its first step is then what least
    squares asks of them, W' with the error W'_i - q_i fed forward.

    Args:
        weight: (rows, n) float32.
        gram, cross_gram: (n, n), H without damping and C.
        index: i.

    Returns:
        (rows,) float32; the correction is computed in float64 and rounded once, then added.
    """
    energy = gram[index, index].double()
    change = weight.double() @ cross_gram[:, index].double()
    change = torch.where(energy > 0, change / energy, torch.zeros_like(change))
    return weight[:, index] + change.float()


def _descending(gram: Tensor, size: int) -> list[int]:
    """Return the blocks in descending order of their share of the Hessian's diagonal."""
    energy = [float(part.mean()) for part in torch.split(gram.diagonal(), size)]
    return sorted(range(len(energy)), key=lambda block: -energy[block])
