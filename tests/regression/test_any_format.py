"""Blocks equal golden in formats nobody chose: seeded random widths, biases and modes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plena_cosim.golden import (
    FixedPoint,
    FormatError,
    Minifloat,
    Mx,
    Scalar,
    ScaleRule,
    Specials,
    get_format,
)
from plena_cosim.golden.blocks import MicroMx
from plena_cosim.golden.ops.registry import OPS, get_op
from plena_cosim.sim.cases.compare import MismatchError, compare, load_case
from plena_cosim.sim.cases.table import Case, select_cases
from plena_cosim.sim.regression.report import Figures, record_figures
from plena_cosim.sim.stimuli.products import is_product
from plena_cosim.sim.stimuli.stimuli import stimuli

from ..op_arguments import block_arguments, micro_arguments

DRAWS = 6
"""Random format sets for each block of one or a few lanes."""
WIDE_DRAWS = 2
"""The same for blocks with sizes, which take longer to build and are made of the others."""
BUDGET = 8192
MODES = ("rne", "rna", "rtz", "rup", "rdown")


def minifloat(
    rng: random.Random, *, exp_bits: int = 8, man_bits: int = 23, width_bits: int = 32
) -> Minifloat:
    """Draw a minifloat of at most these widths, with any specials and often an unusual bias."""
    while True:
        exp = rng.randint(1, exp_bits)
        bias = None if rng.random() < 0.5 else rng.randint(-3, (1 << exp) + 3)
        try:
            drawn = Minifloat(
                exp_bits=exp,
                man_bits=rng.randint(0, rng.choice([3, min(10, man_bits), man_bits])),
                specials=rng.choice(list(Specials)),
                bias=bias,
            )
        except FormatError:
            continue
        if drawn.width_bits <= width_bits:
            return drawn


def fixed_point(rng: random.Random) -> FixedPoint:
    """Draw a fixed-point format of 2 to 32 bits."""
    width_bits = rng.randint(2, 32)
    int_bits = rng.randint(1, width_bits)
    return FixedPoint(
        int_bits=int_bits, frac_bits=min(width_bits - int_bits, 31), wrap=rng.random() < 0.5
    )


def scalar(rng: random.Random) -> Scalar:
    """Draw a minifloat or, less often, a fixed-point format."""
    return minifloat(rng) if rng.random() < 0.7 else fixed_point(rng)


def block(rng: random.Random, block_size: int) -> Mx:
    """Draw an MX format with any element, scale width, rule and rounding."""
    integer = FixedPoint(int_bits=2, frac_bits=rng.randint(0, 14))
    return Mx(
        element=integer if rng.random() < 0.5 else minifloat(rng, exp_bits=5, man_bits=10),
        block_size=block_size,
        scale_bits=rng.choice([2, 3, 4, 5, 6, 7, 8, 8, 8]),
        scale_rule=rng.choice(list(ScaleRule)),
        symmetric=rng.random() < 0.7,
        rounding=rng.choice(MODES),
    )


def draw(name: str, index: int, seed: int) -> Case:
    """Return the index-th random case of a block."""
    op, rng = get_op(name), random.Random(f"{name} {index} {seed}")
    block_size = rng.choice([1, 2, 3, 4, 5, 7, 8, 16])
    if "keys" in op.sizes:
        block_size = rng.choice([1, 2, 3, 4])  # whole blocks of keys and of depth, all in parallel
    blocks, with_micro = block_arguments(op), micro_arguments(op)
    may_be_fixed = name == "fp_cast" or is_product(op)
    formats: dict[str, Any] = {}
    for argument in op.formats:
        if argument in blocks:
            formats[argument] = block(rng, block_size)
        elif argument in with_micro:
            bits = rng.randint(2, 16)
            formats[argument] = MicroMx(element_bits=bits, block_size=2 * block_size)
        elif argument in op.built_for:
            formats[argument] = get_format(rng.choice(op.built_for[argument]))
        else:
            limit = op.max_width_bits if argument == "fmt" else 32
            fixed = may_be_fixed or argument == "acc"
            formats[argument] = scalar(rng) if fixed else minifloat(rng, width_bits=limit)
    lanes = [1, 2, 2, 3] if "depth" in op.sizes or is_product(op) else [1, 2, 3, 4, 5, 8]
    formats |= {size: rng.choice(lanes) for size in op.sizes}
    for size in {"depth", "keys"} & set(op.sizes):
        formats[size] *= block_size
    if "block" in formats:
        formats["block"] = rng.choice([1, 2, 4, 8, 12])
        formats["lanes"] = formats["block"] * rng.choice([1, 2])
    if "heads" in formats:
        formats["heads"] = rng.choice([1, 2])  # every lane of every head costs build time
    drawn = {
        "rounding": rng.choice(MODES),
        "overflow": rng.choice(["saturate", "ieee"]),
        "inverse": rng.choice([False, True]),
    }
    return Case(op=op, formats=formats, modes={mode: drawn[mode] for mode in op.modes})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A few draws for each selected block; none where a format is asked for."""
    option = metafunc.config.getoption
    chosen = {case.op.name for case in select_cases(option("sim_block", None))}
    names = [] if option("sim_fmt", None) else [name for name in OPS if name in chosen]
    draws = {name: WIDE_DRAWS if OPS[name].sizes else DRAWS for name in names}
    rows = [(name, index) for name in names for index in range(draws[name])]
    metafunc.parametrize(("name", "index"), rows, ids=[f"{name}-{index}" for name, index in rows])


def test_equals_golden_in_a_random_format(
    name: str,
    index: int,
    sim_seed: int,
    sim_rtl: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Every stimulus of a drawn case, unstalled."""
    case = draw(name, index, sim_seed)
    beats = stimuli(case.op, case.formats, seed=sim_seed, budget=BUDGET)
    loaded = load_case(case, rtl_dir=sim_rtl)
    outcome = compare(case, loaded, beats, seed=sim_seed)
    record_figures(
        record_property,
        Figures(
            block=name,
            fmt=f"{', '.join(case.labels)} (draw {index})",
            run="random format",
            vectors=outcome.vectors,
            mismatches=outcome.mismatches,
            cycles_per_second=outcome.cycles_per_second,
        ),
    )
    if outcome.first is not None:
        raise MismatchError(f"{outcome.first.line()}; {dict(case.formats)} (seed {sim_seed})")
