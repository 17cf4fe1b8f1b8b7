"""The package of Hadamard matrices is what the generator writes, and each is a Hadamard matrix."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from plena_cosim.golden.hadamard_matrices import hadamard_matrix
from plena_cosim.golden.hadamard_sizes import hadamard_orders
from plena_cosim.sim.generate import hadamard_tables

MATRIX = re.compile(r"8'd(\d+): return MatrixW'\(\{([^}]*)\}\);")


def test_committed_package_is_fresh() -> None:
    assert hadamard_tables.PATH.read_text(encoding="utf-8") == hadamard_tables.text(), (
        "run python -m plena_cosim.sim.generate.hadamard_tables"
    )


def test_main_writes_the_package(tmp_path: Path) -> None:
    path = tmp_path / "gen" / "plena_hadamard_pkg.sv"
    hadamard_tables.main(path)
    assert path.read_text(encoding="utf-8") == hadamard_tables.text()


def test_every_order_has_its_matrix() -> None:
    """Read from the text as a concatenation is: the last row first, column 0 the lowest bit."""
    plain, turned = (
        MATRIX.findall(part) for part in hadamard_tables.text().split("hadamard_transposed")
    )
    assert tuple(int(order) for order, _ in plain) == hadamard_orders()[1:]
    assert [int(order) for order, _ in turned] == [92, 116, 156, 172]
    for (text, body), transposed in [*((p, False) for p in plain), *((p, True) for p in turned)]:
        order = int(text)
        rows = re.findall(r"(\d+)'h([0-9a-f]+)", body)
        assert [width for width, _ in rows] == [text] * order
        negative = [[int(row, 16) >> column & 1 for column in range(order)] for _, row in rows]
        matrix = 1 - 2 * np.array(negative[::-1])
        np.testing.assert_array_equal(matrix @ matrix.T, order * np.eye(order))
        wanted = hadamard_matrix(order)
        np.testing.assert_array_equal(matrix, wanted.T if transposed else wanted)


def test_lines_are_not_too_long() -> None:
    assert max(map(len, hadamard_tables.text().splitlines())) <= hadamard_tables.COLUMNS
