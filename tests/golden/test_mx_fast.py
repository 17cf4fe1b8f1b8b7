"""The fast path equals the definition bit for bit."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from plena_cosim.golden import Minifloat, Mx, get_format, quantize
from plena_cosim.golden.mx import quantize_blocks
from plena_cosim.golden.mx_fast import fast_codes, fast_plan

from .compare import assert_codes
from .oracle import RULES
from .samples import MX_FORMATS

MODES_FAST = ("rne", "rna", "rtz")
FAST = [m for m in MX_FORMATS if fast_plan(m, np.dtype(np.float32)) is not None]
EXTRA = [
    *(get_format(f"mxint{w}", symmetric=False) for w in (2, 4, 8, 11, 16)),
    *(get_format(f"mxfp{1 + e + m}_e{e}m{m}") for e, m in ((1, 0), (3, 0), (5, 0), (5, 5), (2, 5))),
    *(Mx(element=Minifloat(exp_bits=4, man_bits=3, bias=b)) for b in (-105, 0, 100, 117, 118, 130)),
    *(get_format(f"mxfp8_{name}") for name in ("e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz")),
]


def assert_fast(x: npt.NDArray[np.generic], mx: Mx, what: str = "") -> None:
    """`quantize` of a narrow dtype is `quantize_blocks` of the same values in float64."""
    n, length = x.shape
    with np.errstate(invalid="ignore"):
        wide = x.astype(np.float64)
    padded = np.zeros((n, -(-length // mx.block_size) * mx.block_size))
    padded[:, :length] = wide
    codes, scales = quantize_blocks(padded.reshape(-1, mx.block_size), mx)
    q = quantize(x, mx)
    assert_codes(
        q.scales, scales, lambda i: f"{what}{mx}: {padded.reshape(-1, mx.block_size)[i].tolist()}"
    )
    assert_codes(
        q.codes, codes.reshape(n, -1)[:, :length], lambda i: f"{what}{mx}: {x.ravel()[i]!r}"
    )


def fp32_blocks(size: int) -> npt.NDArray[np.float32]:
    """Gaussian, wide, every exponent, halfway points, neighbours of powers of two; no specials."""
    rng = np.random.default_rng(81)
    gaussian = rng.normal(size=(60, size))
    exps = rng.integers(-30, 1, (300, size)) + np.arange(300)[:, None] - 150
    wide = np.ldexp(rng.uniform(-2, 2, (300, size)), np.clip(exps, -160, 126))
    ties = rng.integers(-512, 513, (300, size)) * np.ldexp(1.0, rng.integers(-12, 2, (300, 1)))
    near = np.ldexp(1.0, rng.integers(-8, 8, (300, size))) * rng.choice([1, -1], (300, size))
    x = np.concatenate([gaussian, wide, ties, near]).astype(np.float32)
    with np.errstate(under="ignore"):
        x[-300:] = np.nextafter(x[-300:], rng.choice([0, np.inf, 1], (300, size)).astype("f4"))
    x[rng.random(x.shape) < 0.05] = -0.0
    x[::37] = 0
    return x


def test_the_fast_path_covers_what_it_should() -> None:
    names = {m.name for m in FAST}
    assert {"mxint2", "mxint8", "mxint16", "mxfp4_e2m1", "mxfp8_e4m3", "mxfp8_e5m2"} <= names
    x = np.ones((4, 64), dtype=np.float32)
    for mx in FAST:
        plan = fast_plan(mx, x.dtype)
        assert plan is not None
        codes = np.empty(x.shape, np.uint16 if mx.element.width_bits > 8 else np.uint8)
        assert fast_codes(x, mx, plan, codes, np.empty((4, 2), np.uint8))
    assert fast_plan(get_format("mxint8"), np.dtype(np.float64)) is None
    assert fast_plan(get_format("mxint8", rounding="rup"), np.dtype(np.float32)) is None


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("mx", [*MX_FORMATS, *EXTRA], ids=lambda m: m.name)
def test_fp32_blocks(mx: Mx, rule: str) -> None:
    fields = {"scale_rule": rule, "symmetric": mx.symmetric, "element": mx.element}
    for mode in MODES_FAST if isinstance(mx.element, Minifloat) else ("rne",):
        fmt = Mx(**fields, block_size=6, rounding=mode)  # type: ignore[arg-type]
        x = fp32_blocks(12)
        for row in range(0, len(x), 160):  # one strange block sends a whole piece to the definition
            assert_fast(x[row : row + 160], fmt)
        usual = np.abs(x).max(axis=1)
        assert_fast(x[(usual > 1e-20) & (usual < 1e20)], fmt)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("name", ["mxint4", "mxfp4_e2m1", "mxfp8_e4m3"])
def test_scale_widths_and_their_clamps(name: str, bits: int) -> None:
    mx = get_format(name, block_size=4, scale_bits=bits)
    x = fp32_blocks(4)
    for row in range(0, len(x), 8):
        assert_fast(x[row : row + 8], mx)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["mxint8", "mxint4", "mxfp4_e2m1", "mxfp8_e4m3", "mxfp8_e5m2"])
def test_every_pattern_of_the_half_dtypes(name: str, dtype: str, rule: str) -> None:
    patterns = np.arange(1 << 16, dtype=np.uint16)
    x = patterns.view(np.float16 if dtype == "float16" else ml_dtypes.bfloat16)
    mx = get_format(name, block_size=1, scale_rule=rule)
    for piece in x.reshape(16, -1):  # the pieces without specials stay on the fast path
        assert_fast(piece[:, None], mx, dtype)
    shuffled = np.random.default_rng(7).permutation(x[(patterns & 0x7F80) < 0x7C00])
    assert_fast(shuffled.reshape(-1, 64), get_format(name, block_size=16, scale_rule=rule), dtype)


@pytest.mark.parametrize("name", ["mxint8", "mxint12", "mxfp4_e2m1", "mxfp6_e3m2", "mxfp8_e5m2"])
def test_every_fp32_prefix_as_a_small_element(name: str) -> None:
    """All 2^16 upper halves with the lower half 0, 1, 0x8000, 0xFFFF, beside a fixed amax."""
    upper = np.arange(1 << 16, dtype=np.uint32) << 16
    values = (upper[:, None] | np.array([0, 1, 0x8000, 0xFFFF], dtype=np.uint32)).view(np.float32)
    small = values[(np.abs(values) <= 4).all(axis=1)]
    x = np.concatenate([small, np.full((len(small), 1), 4, np.float32)], axis=1)
    assert_fast(x, get_format(name, block_size=5))


@pytest.mark.parametrize("mode", ["rup", "rdown"])
@pytest.mark.parametrize("name", ["mxint8", "mxfp4_e2m1", "mxfp8_e4m3"])
def test_directed_modes_see_what_a_float32_product_would_lose(name: str, mode: str) -> None:
    x = np.array([[2.0**100, 2.0**-149, -(2.0**-149), 2.0**-60]], dtype=np.float32)
    mx = get_format(name, block_size=4, rounding=mode)
    assert_fast(x, mx)
    away = np.flatnonzero(quantize(x, mx).dequantize()[0, 1:])
    assert away.tolist() == ([0, 2] if mode == "rup" else [1])


@pytest.mark.parametrize("length", [1, 31, 32, 33, 64, 100, 4096])
def test_ragged_rows(length: int) -> None:
    x = np.random.default_rng(5).normal(size=(7, length)).astype(np.float32)
    for name in ("mxint8", "mxfp4_e2m1"):
        assert_fast(x, get_format(name))


@pytest.mark.parametrize("name", ["mxint8", "mxfp8_e4m3"])
def test_special_and_tiny_blocks_among_usual_ones(name: str) -> None:
    x = np.random.default_rng(6).normal(size=(3000, 64)).astype(np.float32)
    x[100, 3], x[1500, 40], x[2999, 63] = np.nan, np.inf, -np.inf
    x[200, :32] = 1e-45
    x[2000] = 0
    x[2500, 32:] = 3e38
    for bits in (8, 6):
        assert_fast(x, get_format(name, scale_bits=bits))
        assert quantize(x, get_format(name, scale_bits=bits)).has_special
    assert not quantize(x[201:1500], get_format(name)).has_special


def test_chunks_do_not_show() -> None:
    x = np.random.default_rng(6).normal(size=(40, 70_000)).astype(np.float32)
    x[7, 69_999] = 1e-42
    assert_fast(x[:, :70_000], get_format("mxint4", block_size=32))
    whole = quantize(x[:3].reshape(-1, 8), get_format("mxfp4_e2m1", block_size=8))
    rows = quantize(x[:3], get_format("mxfp4_e2m1", block_size=8))
    np.testing.assert_array_equal(whole.codes.ravel(), rows.codes.ravel())
