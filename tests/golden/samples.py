"""Formats and inputs that many tests share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from plena_cosim.golden import FORMATS, FixedPoint, Minifloat, Mx, Scalar, get_format

from .oracle import Float, scalar

REGISTERED = tuple(f for f in FORMATS.values() if isinstance(f, Minifloat))
UNUSUAL = (
    Minifloat(exp_bits=1, man_bits=0),
    Minifloat(exp_bits=8, man_bits=0),
    Minifloat(exp_bits=1, man_bits=1, specials="ocp_nan"),
    Minifloat(exp_bits=2, man_bits=1, specials="ieee"),
    Minifloat(exp_bits=3, man_bits=4, specials="ieee"),
    Minifloat(exp_bits=5, man_bits=10, specials="ocp_nan"),
    Minifloat(exp_bits=2, man_bits=13),
    Minifloat(exp_bits=4, man_bits=3, bias=130),
    Minifloat(exp_bits=4, man_bits=3, bias=-20, specials="ieee"),
    Minifloat(exp_bits=8, man_bits=7, bias=200),
    Minifloat(exp_bits=1, man_bits=0, specials="fnuz"),
    Minifloat(exp_bits=3, man_bits=2, specials="fnuz"),
    Minifloat(exp_bits=8, man_bits=7, specials="fnuz", bias=127),
)
FIXED_POINTS = (
    *(get_format(f"mxint{width}").element for width in range(2, 17)),
    FixedPoint(int_bits=2, frac_bits=6),
    FixedPoint(int_bits=1, frac_bits=1),
    FixedPoint(int_bits=5, frac_bits=3, wrap=True),
    FixedPoint(int_bits=8, frac_bits=8),
    FixedPoint(int_bits=8, frac_bits=8, symmetric=True),
    FixedPoint(int_bits=16, frac_bits=0, wrap=True),
)
MINIFLOATS_TO_16 = tuple(f for f in (*REGISTERED, *UNUSUAL) if f.exp_bits + f.man_bits <= 15)
PAIRWISE = tuple(f for f in MINIFLOATS_TO_16 if f.width_bits <= 8 and 0 <= f.bias_value <= 16)
"""Formats whose every pair of codes is tried; all others take corners and random pairs."""
BEYOND_PAIRWISE = tuple(f for f in (*REGISTERED, *UNUSUAL) if f not in PAIRWISE)
MX_FORMATS = tuple(f for f in FORMATS.values() if isinstance(f, Mx))
HUGE = (1e30, 1e200, 1.7976931348623157e308, 5e-324, 1e-310, 2.0**-149, 2.0**-1022)


def label(fmt: Scalar | Mx) -> str:
    """A test id that tells every spec above apart."""
    if isinstance(fmt, Minifloat):
        kind = str(getattr(fmt.specials, "value", fmt.specials))
        return f"{fmt.name}-{kind}-bias{fmt.bias}"
    if isinstance(fmt, FixedPoint):
        return fmt.name + "-wrap" * fmt.wrap + "-symmetric" * fmt.symmetric
    return fmt.name


def corner_codes(fmt: Minifloat) -> npt.NDArray[np.uint32]:
    """Codes where formats go wrong: around zero, normal, one, powers of two, largest, specials."""
    oracle = scalar(fmt)
    assert isinstance(oracle, Float)
    one = oracle.bias << oracle.man_bits
    hidden = 1 << oracle.man_bits
    top = oracle.finite_count - 1
    around = [0, 1, 2, 3, hidden // 2, hidden - 1, hidden, hidden + 1, 2 * hidden - 1, 2 * hidden]
    around += [one - hidden, one - 1, one, one + 1, one + 2, one + hidden // 2, one + hidden - 1]
    around += [one + hidden, one + hidden + 1, one + oracle.man_bits * hidden]
    around += [one + (oracle.man_bits + 1) * hidden, one + (oracle.man_bits + 2) * hidden]
    around += [top - hidden, top - hidden // 2, top - 1, top, top + 1, top + 2]
    around += [oracle.sign - 1, top + 1 + hidden // 2]
    magnitudes = np.array(sorted({c for c in around if 0 <= c < oracle.sign}), dtype=np.uint32)
    return np.concatenate([magnitudes, magnitudes | np.uint32(oracle.sign)])


def random_codes(fmt: Scalar, count: int, seed: int) -> npt.NDArray[np.uint32]:
    """Seeded codes, uniform over all bit patterns."""
    return np.random.default_rng(seed).integers(0, 1 << fmt.width_bits, count, dtype=np.uint32)
