"""plena_pkg's roots: 1 / sqrt(n) to 64 bits, for every n that is a depth and some that are not."""

from __future__ import annotations

import subprocess
from math import isqrt
from pathlib import Path

from plena_cosim.sim.verilate.rtl_files import RTL_DIR
from plena_cosim.sim.verilate.toolchain import find_toolchain

NUMBERS = (*range(1, 300), 511, 512, 1000, 1024, 4095, 4096, 65535, 1 << 20)


def wrong_where(number: int, *, off: int = 0) -> str:
    """Return a condition that holds if the package has another root than exact integers say."""
    shift = ((number - 1).bit_length() + 1) // 2
    numerator = 1 << (126 + 2 * shift)
    root = isqrt(numerator // number)
    assert root.bit_length() == 64
    sig = (root | (root * root * number != numerator)) + off
    return (
        f"plena_pkg::reciprocal_root_sig({number}) != 64'h{sig:x}"
        f" || plena_pkg::reciprocal_root_shift({number}) != {shift}"
    )


def lint(conditions: dict[int, str], folder: Path) -> str:
    """Return what Verilator says about a module that is illegal where a condition holds."""
    lines = [
        f'  if ({condition}) begin : gen_{number} $fatal(1, "root {number}"); end'
        for number, condition in conditions.items()
    ]
    top = folder / "t.sv"
    top.write_text("\n".join(["module t;", *lines, "endmodule", ""]), encoding="utf-8")
    package = RTL_DIR / "common" / "plena_pkg.sv"
    done = subprocess.run(
        [*find_toolchain().verilator, "--lint-only", "--top-module", "t", package, top],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def test_reciprocal_roots_are_rounded_to_odd(tmp_path: Path) -> None:
    assert lint({number: wrong_where(number) for number in NUMBERS}, tmp_path) == ""


def test_a_wrong_root_is_noticed(tmp_path: Path) -> None:
    assert "root 3" in lint({3: wrong_where(3, off=1)}, tmp_path)
