"""Quantise a 4096x4096 fp32 matrix on one thread: golden and fakequant against torch peers.

    python benchmarks/quantize.py [--size 4096] [--rounds 7] [--json results/bench/quantize.json]

All contenders run in turn, round after round, so that a noisy machine is noisy for all; the
fastest round counts. Times are given as multiples of a plain copy of the tensor in the same run.
Beside each stands how many values differ from golden's. torchao takes part when it is installed.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")  # read when NumPy and torch are imported

import numpy as np  # noqa: E402
import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import Tensor  # noqa: E402

from plena_cosim import golden  # noqa: E402
from plena_cosim.evaluate.record import describe_run, write_json  # noqa: E402
from plena_cosim.fakequant import quantize as fake_quantize  # noqa: E402

FORMATS = ("mxint8", "mxfp4_e2m1", "mxfp8_e4m3")
Quantizer = Callable[[Tensor, golden.Mx], Tensor]


def golden_codes(x: Tensor, mx: golden.Mx) -> Tensor:
    """Codes and scales only: what golden.quantize returns."""
    golden.quantize(x.numpy(), mx)
    return x


def golden_values(x: Tensor, mx: golden.Mx) -> Tensor:
    """The round trip that the torch peers make."""
    return torch.from_numpy(golden.quantize(x.numpy(), mx).dequantize(np.float32))


def eager_torch(x: Tensor, mx: golden.Mx) -> Tensor:
    """What one writes first: reshape, amax, frexp, round, clamp."""
    element = mx.element
    blocks = x.unflatten(-1, (-1, mx.block_size))
    amax = blocks.abs().amax(-1, keepdim=True)
    exp = (torch.frexp(amax).exponent - 1 - element.emax).clamp(mx.min_scale_exp, mx.max_scale_exp)
    scaled = torch.ldexp(blocks, -exp)
    if isinstance(element, golden.Minifloat):
        binade = (torch.frexp(scaled).exponent - 1).clamp(min=element.emin)
        unit = torch.ldexp(torch.ones_like(scaled), binade - element.man_bits)
    else:
        unit = torch.tensor(2.0**element.lsb_exp)
    rounded = ((scaled / unit).round() * unit).clamp(-element.max_value, element.max_value)
    return torch.ldexp(rounded, exp).flatten(-2)


def torchao_peer() -> Quantizer | None:
    """torchao's MX cast and back (floor), or None where torchao is missing."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torchao.prototype.mx_formats.mx_tensor import to_dtype, to_mx
    except ImportError:
        return None
    finally:
        logging.disable(logging.NOTSET)
    known = {"mxfp4_e2m1": torch.float4_e2m1fn_x2, "mxfp8_e4m3": torch.float8_e4m3fn}

    def run(x: Tensor, mx: golden.Mx) -> Tensor:
        dtype = known[mx.name]
        scale, codes = to_mx(x, dtype, mx.block_size)
        values: Tensor = to_dtype(codes, scale, dtype, mx.block_size, torch.float32)
        return values

    return run


def contenders(size: int) -> dict[str, tuple[Quantizer, tuple[str, ...]]]:
    """Name, function and formats of everything that is timed."""
    target = torch.zeros(size, size)
    found: dict[str, tuple[Quantizer, tuple[str, ...]]] = {
        "copy": (lambda x, mx: target.copy_(x), FORMATS),
        "golden.quantize": (golden_codes, FORMATS),
        "golden.quantize + dequantize": (golden_values, FORMATS),
        "fakequant.quantize": (fake_quantize, FORMATS),
        "eager torch": (eager_torch, FORMATS),
    }
    if (peer := torchao_peer()) is not None:
        found["torchao"] = (peer, FORMATS[1:])
    return found


def measure(x: Tensor, rounds: int, console: Console) -> list[dict[str, Any]]:
    """Return one record per format and contender: seconds, multiple of the copy, wrong values."""
    records: list[dict[str, Any]] = []
    for name in FORMATS:
        mx = golden.get_format(name)
        want = golden_values(x, mx)
        runners = {who: run for who, (run, known) in contenders(len(x)).items() if name in known}
        wrong = {
            who: int((run(x, mx) != want).sum())
            for who, run in runners.items()
            if who not in ("copy", "golden.quantize")
        }
        seconds: dict[str, list[float]] = {who: [] for who in runners}
        with console.status(f"{name}: {rounds} rounds of {len(runners)} contenders"):
            for _ in range(rounds):
                for who, run in runners.items():
                    start = time.perf_counter()
                    run(x, mx)
                    seconds[who].append(time.perf_counter() - start)
        copy = min(seconds["copy"])
        records += [
            {
                "format": name,
                "contender": who,
                "seconds": min(times),
                "copies": min(times) / copy,
                "wrong_values": wrong.get(who),
            }
            for who, times in seconds.items()
        ]
    return records


def table(records: list[dict[str, Any]], size: int) -> Table:
    """Return the records as contender x format."""
    shown = Table(title=f"{size}x{size} fp32, block 32, one thread: copies | wrong values")
    shown.add_column("contender")
    for name in FORMATS:
        shown.add_column(name, justify="right")
    for who in dict.fromkeys(record["contender"] for record in records):
        by_format = {r["format"]: r for r in records if r["contender"] == who}
        shown.add_row(who, *(cell(by_format.get(name)) for name in FORMATS))
    return shown


def cell(record: dict[str, Any] | None) -> str:
    """Return one cell: multiple of the copy, and how many values differ from golden's."""
    if record is None:
        return "–"
    wrong = "" if record["wrong_values"] is None else f" | {record['wrong_values']}"
    return f"{record['copies']:.1f}{wrong}"


def main() -> None:
    """Measure, print the table and write the record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=4096, help="rows and columns")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each contender")
    parser.add_argument("--seed", type=int, default=0, help="of the Gaussian input")
    parser.add_argument("--json", type=Path, default=Path("results/bench/quantize.json"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    console = Console()
    x = torch.randn(given.size, given.size, generator=torch.Generator().manual_seed(given.seed))
    records = measure(x, given.rounds, console)
    console.print(table(records, given.size))
    run = describe_run(seed=given.seed, config_sha256=None)
    write_json(given.json, run | {"size": given.size, "rounds": given.rounds, "results": records})
    console.print(f"wrote {given.json}")


if __name__ == "__main__":
    main()
