"""Time GPTQ of one linear layer against the plainest form of the same algorithm.

    python benchmarks/gptq.py [--rounds 3] [--threads 1] [--json FILE]

The plain form is the loop of the GPTQ paper in torch, a column at a time, with `fakequant` rounding
each column to the scale that its block has on entry. Both work on the same weight and Hessian in
turn, round after round, and the fastest round counts; factorising the Hessian is included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from plena_cosim import golden
from plena_cosim.evaluate.record import describe_run, write_json
from plena_cosim.fakequant.carrier import SINGLE
from plena_cosim.fakequant.element import ElementRounder
from plena_cosim.fakequant.scale import scale_exponent
from plena_cosim.golden import Mx
from plena_cosim.passes.calibration.block_scale import ScaleSearch
from plena_cosim.passes.calibration.gptq import factorise, solve

SHAPES = ((576, 576), (1536, 576), (576, 1536))
FORMATS = {
    "MXINT4": golden.get_format("mxint4", block_size=32),
    "MXFP4": golden.get_format("mxfp4_e2m1", block_size=32, scale_rule="even"),
}


def plain(weight: Tensor, hessian: Tensor, mx: Mx, damp: float) -> Tensor:
    """Return the weight quantised as the paper writes it down."""
    h = hessian.clone()
    h.diagonal().add_(damp * h.diagonal().mean())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(h))
    factor = torch.linalg.cholesky(inverse, upper=True)
    left, found = weight.clone(), torch.empty_like(weight)
    rounder = None
    for column in range(weight.shape[1]):
        if column % mx.block_size == 0:
            block = left[:, column : column + mx.block_size].abs().amax(1, keepdim=True)
            exponent = scale_exponent(block.contiguous().view(SINGLE.int_dtype), mx, SINGLE)
            rounder = ElementRounder(exponent, mx, SINGLE)
        assert rounder is not None
        value = left[:, column : column + 1].contiguous()
        rounded = torch.empty_like(value)
        rounder.round(value, rounded)
        found[:, column] = rounded[:, 0]
        error = (value - rounded) / factor[column, column]
        left[:, column:] -= error @ factor[column : column + 1, column:]
    return found


def seconds(work: Callable[[], object]) -> float:
    """Return the time that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure, print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, default=Path("results/bench/gptq.json"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    searches = {
        "one scale": ScaleSearch(),
        "neighbours, by weight": ScaleSearch(neighbours=1),
        "neighbours, by output": ScaleSearch(neighbours=1, by_output=True),
    }
    table = Table(title=f"GPTQ of one linear layer, {given.threads} threads")
    table.add_column("rows × columns")
    for header in ("format", "plain, s", *searches):
        table.add_column(header, justify="right")
    rows = []
    generator = torch.Generator().manual_seed(0)
    for shape in SHAPES:
        weight = torch.randn(shape, generator=generator)
        operands = torch.randn(4096, shape[1], generator=generator)
        operands += operands.roll(1, 1) + 0.5 * operands.roll(7, 1)
        hessian = operands.T @ operands
        for name, mx in FORMATS.items():
            work: dict[str, Callable[[], object]] = {
                "plain": lambda w=weight, h=hessian, m=mx: plain(w, h, m, 0.01)
            }
            for what, search in searches.items():
                work[what] = lambda w=weight, h=hessian, m=mx, s=search: solve(
                    w, factorise(h, 0.01), m, s
                )
            times = dict.fromkeys(work, float("inf"))
            for _ in range(given.rounds):
                for what, run in work.items():
                    times[what] = min(times[what], seconds(run))
            ratios = [f"{times[what] / times['plain']:.2f}×" for what in searches]
            size = f"{shape[0]} × {shape[1]}"
            table.add_row(size, name, f"{times['plain']:.3f}", *ratios)
            rows.append({"rows": shape[0], "columns": shape[1], "format": name, "seconds": times})
    Console().print(table)
    record = describe_run(seed=0, config_sha256=None) | {"threads": given.threads}
    write_json(given.json, {"rows": rows, "run": record})


if __name__ == "__main__":
    main()
