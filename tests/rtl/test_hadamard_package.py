"""plena_hadamard_pkg says the same as golden of sizes, orders and signs; every order is tried."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from plena_cosim.golden.hadamard_matrices import hadamard_matrix
from plena_cosim.golden.hadamard_sizes import hadamard_order, hadamard_orders
from plena_cosim.sim.verilate.rtl_files import RTL_DIR
from plena_cosim.sim.verilate.toolchain import find_toolchain

SIZES = (*range(400), 688, 752, 11008, 14336, 1 << 20)
BITS = hadamard_orders()[-1] ** 2


def wrong_size(size: int) -> str:
    """Return a condition that holds if the package says another order than golden, or none."""
    order = hadamard_order(size)
    legal = f"plena_hadamard_pkg::is_hadamard_size({size})"
    if order is None:
        return legal
    stages = (order - 1).bit_length() + (size // order - 1).bit_length() + 1
    return (
        f"!{legal} || plena_hadamard_pkg::hadamard_order({size}) != {order}"
        f" || plena_hadamard_pkg::hadamard_latency({size}) != {stages}"
    )


def wrong_signs(order: int, *, off: int = 0, transposed: bool = False) -> str:
    """Return a condition that holds if one sign of a matrix differs from golden's."""
    matrix = hadamard_matrix(order)
    negative = ((matrix.T if transposed else matrix) < 0).ravel()
    number = int.from_bytes(np.packbits(negative, bitorder="little").tobytes(), "little")
    name = "hadamard_transposed" if transposed else "hadamard_negative"
    return f"plena_hadamard_pkg::{name}(8'd{order}) != {BITS}'h{number ^ off:x}"


def lint(conditions: Mapping[str, str], folder: Path) -> str:
    """Return what Verilator says about a module that is illegal where a condition holds."""
    lines = [
        f'  if ({condition}) begin : gen_{index} $fatal(1, "{name}"); end'
        for index, (name, condition) in enumerate(conditions.items())
    ]
    top = folder / "t.sv"
    top.write_text("\n".join(["module t;", *lines, "endmodule", ""]), encoding="utf-8")
    package = RTL_DIR / "gen" / "plena_hadamard_pkg.sv"
    done = subprocess.run(
        [*find_toolchain().verilator, "--lint-only", "--top-module", "t", package, top],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def test_sizes_and_orders_are_goldens(tmp_path: Path) -> None:
    assert lint({f"size {size}": wrong_size(size) for size in SIZES}, tmp_path) == ""


def test_signs_are_goldens(tmp_path: Path) -> None:
    orders = hadamard_orders()[1:]
    assert lint({f"order {order}": wrong_signs(order) for order in orders}, tmp_path) == ""


def test_transposed_signs_are_goldens(tmp_path: Path) -> None:
    """Of the orders whose matrices are not symmetric, and of one that is."""
    orders = (12, 92, 116, 156, 172)
    conditions = {f"order {order}": wrong_signs(order, transposed=True) for order in orders}
    assert lint(conditions, tmp_path) == ""
    plain = wrong_signs(92).replace("hadamard_negative", "hadamard_transposed")
    assert "order 92" in lint({"order 92": plain}, tmp_path)


def test_a_wrong_sign_is_noticed(tmp_path: Path) -> None:
    last = 1 << (172 * 172 - 1)
    assert "order 172" in lint({"order 172": wrong_signs(172, off=last)}, tmp_path)
