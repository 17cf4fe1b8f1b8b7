"""fakequant.cast equals golden.decode(golden.encode(x))."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plena_cosim import golden
from plena_cosim.fakequant import cast
from plena_cosim.fakequant.cast import value_dtype

SCALARS = [name for name, fmt in golden.FORMATS.items() if not isinstance(fmt, golden.Mx)]
FORMATS = [
    *(golden.get_format(name) for name in SCALARS),
    *(golden.get_format(name) for name in ("e2m0", "e1m0", "e8m15", "e3m9", "q16.16", "q2.0")),
    golden.get_format("q8.4", wrap=True),
    golden.get_format("q16.16", wrap=True),
    golden.get_format("q4.4", symmetric=True),
    golden.get_format("e4m3", bias=40),
    golden.get_format("bf16", bias=-20),
    golden.get_format("e2m1", bias=-200),
    golden.get_format("e5m2", bias=300),
]


def around(fmt: golden.Scalar) -> np.ndarray:
    """Codes, midpoints between neighbours, and the float64 numbers next to both."""
    width = fmt.width_bits
    codes = (
        np.arange(1 << width)
        if width <= 12
        else np.random.default_rng(0).integers(0, 1 << width, 4096)
    )
    values = np.sort(golden.decode(codes.astype(np.uint32), fmt))
    values = values[np.isfinite(values)]
    middle = (values[1:] + values[:-1]) / 2
    points = np.concatenate([values, middle, values * 1.01, [0.0, -0.0, np.nan, np.inf, -np.inf]])
    points = np.concatenate([points, np.nextafter(points, np.inf), np.nextafter(points, -np.inf)])
    huge = [1e300, -1e300, 1e-300, -1e-300, 2.0**127 * (2 - 2**-8), 3e38]
    return np.concatenate([points, huge, np.random.default_rng(1).normal(size=200) * fmt.max_value])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: f"{fmt.name}-{fmt.width_bits}")
@pytest.mark.filterwarnings("ignore::plena_cosim.golden.NanReplacedWarning")
def test_every_kind_of_value(fmt, dtype, assert_same) -> None:
    with np.errstate(over="ignore"):
        x = torch.from_numpy(around(fmt)).to(dtype)
    expected = golden.decode(golden.encode(x.double().numpy(), fmt), fmt)
    ours = cast(x, fmt)
    assert ours.dtype == value_dtype(fmt)
    assert_same(ours, expected)


MODES = [mode.value for mode in golden.Rounding if mode is not golden.Rounding.STOCHASTIC]


@pytest.mark.parametrize("overflow", ["saturate", "ieee"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: f"{fmt.name}-{fmt.width_bits}")
@pytest.mark.filterwarnings("ignore::plena_cosim.golden.NanReplacedWarning")
def test_every_mode(fmt, mode, overflow, assert_same) -> None:
    tiny = [5e-324, -5e-324, 1e-310, -1e-310]
    with np.errstate(over="ignore"):
        x = np.concatenate([around(fmt), tiny])
    codes = golden.encode(x, fmt, rounding=mode, overflow=overflow)
    ours = cast(torch.from_numpy(x), fmt, rounding=mode, overflow=overflow)
    assert ours.dtype == value_dtype(fmt)
    assert_same(ours, golden.decode(codes, fmt))


@pytest.mark.parametrize("name", ["e4m3fnuz", "e5m2fnuz"])
def test_torch_casts_to_its_own_types_alike(name, assert_same) -> None:
    codes = torch.arange(1 << 16, dtype=torch.int32) << 16
    x = torch.cat([codes.view(torch.float32), (codes | 0x8001).view(torch.float32)])
    theirs = x.to(getattr(torch, f"float8_{name}")).float()
    assert_same(cast(x, golden.get_format(name), overflow="ieee"), theirs.numpy())


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", ["bf16", "e4m3", "e4m3fnuz", "q4.4"])
def test_an_infinity_on_one_side(name, sign, assert_same) -> None:
    fmt, x = golden.get_format(name), np.array([sign * np.inf, 1.0])
    assert_same(cast(torch.from_numpy(x), fmt), golden.decode(golden.encode(x, fmt), fmt))


def test_stochastic_rounding_is_refused() -> None:
    with pytest.raises(golden.FormatError, match="rne, rna, rtz, rup or rdown, got stochastic"):
        cast(torch.ones(1), golden.get_format("bf16"), rounding="stochastic")


def test_the_result_type_holds_the_format() -> None:
    names = {"bf16": torch.float32, "fp32": torch.float32, "q16.16": torch.float64}
    for name, dtype in names.items():
        assert cast(torch.ones(1), golden.get_format(name)).dtype == dtype


def test_bad_input_is_named() -> None:
    with pytest.raises(golden.FormatError, match="need a Minifloat or FixedPoint such as bf16"):
        cast(torch.ones(1), golden.get_format("mxint4"))
    with pytest.raises(golden.FormatError, match=r"floating-point tensor, got torch\.int64"):
        cast(torch.ones(1, dtype=torch.int64), golden.get_format("bf16"))
