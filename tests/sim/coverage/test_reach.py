"""What is called unreachable is: exhaustive runs of small formats never hit such a bin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plena_cosim.golden import get_format
from plena_cosim.golden.mx import scale_exponent
from plena_cosim.golden.ops.registry import get_op
from plena_cosim.sim.cases.table import Case
from plena_cosim.sim.coverage.collect import Coverage
from plena_cosim.sim.coverage.reach import ideal_exponents
from plena_cosim.sim.coverage.report import judge
from plena_cosim.sim.stimuli.products import accumulator_corners
from plena_cosim.sim.stimuli.stimuli import stimuli

SMALL = ["e1m2", "e2m1", "e3m0", "e4m3", "e5m2", "e2m3", "e5m6", "q2.2", "q3.5", "q4.4", "q8.8"]
SMALL += ["e3m2fnuz"]
SOFTMAX = ["e2m3", "e3m2", "e4m3", "e5m2", "e6m5", "bf16", "e5m2fnuz"]
MODES: list[dict[str, Any]] = [
    {},
    {"rounding": "rtz"},
    {"rounding": "rdown", "overflow": "ieee"},
    {"overflow": "ieee"},
]


def seen(case: Case, budget: int = 0) -> Coverage:
    coverage = Coverage(case=case, whole=True)
    for beats in stimuli(case.op, case.formats, seed=0, budget=budget):
        coverage.add(beats, case.op.run_golden(beats, **case.formats, **case.modes))
    return coverage


@pytest.mark.parametrize("modes", MODES, ids=str)
@pytest.mark.parametrize("dst", SMALL)
@pytest.mark.parametrize("src", SMALL)
def test_casts_never_contradict(src: str, dst: str, modes: dict[str, Any]) -> None:
    formats = {"src": get_format(src), "dst": get_format(dst)}
    verdict = judge(seen(Case(op=get_op("fp_cast"), formats=formats, modes=modes)))
    assert verdict.contradicted == ()
    assert verdict.missed == ()


@pytest.mark.parametrize("modes", MODES, ids=str)
@pytest.mark.parametrize("name", ["e1m2", "e2m1", "e3m0", "e4m3", "e5m2", "e2m3", "e4m3fnuz"])
@pytest.mark.parametrize("block", ["fp_add", "fp_mul"])
def test_sums_and_products_never_contradict(block: str, name: str, modes: dict[str, Any]) -> None:
    case = Case(op=get_op(block), formats={"fmt": get_format(name)}, modes=modes)
    assert judge(seen(case)).contradicted == ()


@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "rceil", "mase", "clip"])
@pytest.mark.parametrize("element", ["mxint2", "mxint4", "mxint8", "mxfp4_e2m1", "mxfp8_e4m3"])
@pytest.mark.parametrize("src", ["bf16", "e4m3", "q4.4"])
def test_quantising_never_contradicts(src: str, element: str, rule: str) -> None:
    """Blocks of one code: every code of the source with every other that may set the scale."""
    mx = get_format(element, block_size=2, scale_rule=rule, scale_bits=5)
    case = Case(op=get_op("fp_to_mx"), formats={"src": get_format(src), "mx": mx})
    assert judge(seen(case, budget=20_000)).contradicted == ()


@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "rceil", "mase", "clip"])
@pytest.mark.parametrize("element", ["mxint2", "mxint4", "mxfp4_e2m1", "mxfp8_e4m3"])
def test_ideal_exponents_are_the_ends_of_what_a_binade_gets(element: str, rule: str) -> None:
    mx = get_format(element, scale_rule=rule)
    exponents = scale_exponent(8 + np.arange(512) / 64, mx)
    assert (exponents.min(), exponents.max()) == ideal_exponents(3, mx)


@pytest.mark.parametrize("modes", MODES, ids=str)
@pytest.mark.parametrize("dst", ["bf16", "e4m3", "e5m2", "fp32"])
@pytest.mark.parametrize("element", ["mxint2", "mxint8", "mxfp4_e2m1", "mxfp8_e4m3"])
def test_dequantising_never_contradicts_and_hits_all(
    element: str, dst: str, modes: dict[str, Any]
) -> None:
    """Every pair of an element and a scale is tried, so that a missed bin is a missing rule."""
    formats = {"mx": get_format(element, block_size=4), "dst": get_format(dst)}
    verdict = judge(seen(Case(op=get_op("mx_to_fp"), formats=formats, modes=modes), budget=8192))
    assert verdict.contradicted == ()


def test_first_beats_of_a_dot_put_corners_into_the_accumulator() -> None:
    mx = get_format("mxint8", block_size=4)
    formats = {"a": mx, "b": mx, "acc": get_format("fp32")}
    op = get_op("mx_dot")
    beats = accumulator_corners(op, formats)
    acc = op.run_golden(beats, **formats)["acc"]
    for code in (0x3F800000, 0xBF800000, 0x00800000, 0x007FFFFF, 0x807FFFFF, 1):
        assert np.uint32(code) in acc


@pytest.mark.parametrize("block", ["softmax", "online_softmax"])
def test_softmax_of_a_rounded_maximum_never_contradicts(block: str) -> None:
    formats = {"fmt": get_format("e4m3"), "red": get_format("e5m2"), "lanes": 3}
    assert judge(seen(Case(op=get_op(block), formats=formats), budget=20_000)).contradicted == ()


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("name", SOFTMAX)
@pytest.mark.parametrize("block", ["softmax", "online_softmax"])
def test_softmax_never_contradicts(block: str, name: str, lanes: int) -> None:
    formats = {"fmt": get_format(name), "red": get_format("fp32"), "lanes": lanes}
    assert judge(seen(Case(op=get_op(block), formats=formats), budget=20_000)).contradicted == ()
