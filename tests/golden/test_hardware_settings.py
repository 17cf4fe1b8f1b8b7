"""Settings files together, in recipes, and the sizes of the matrix unit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plena_cosim.golden import FormatError, HardwareConfig, get_format

HERE = Path(__file__).parent / "machines"


def test_two_files_that_differ_are_named_with_both_values(tmp_path: Path) -> None:
    shutil.copy(HERE / "configuration.svh", tmp_path)
    text = (HERE / "precision.svh").read_text().replace("endpackage", "parameter BLEN = 16;")
    (tmp_path / "precision.svh").write_text(text)
    with pytest.raises(FormatError, match=r"precision.svh: BLEN = 16, but .*configuration.svh has"):
        HardwareConfig.load(tmp_path)


def test_tables_are_read_as_the_same_machine() -> None:
    q = get_format("q16.16", wrap=True)
    for hw in (HardwareConfig.load(HERE), HardwareConfig(accumulator_format=q, v_writeback=8)):
        assert HardwareConfig.from_tables(hw.tables()) == hw


def test_sizes_of_the_matrix_unit() -> None:
    hw = HardwareConfig.load("configs/hw/plena-32.toml")
    assert hw.sizes("mx_mm") == {"rows": 32, "cols": 32, "depth": 64}
    assert hw.sizes("mx_mv") == {"cols": 64, "depth": 64}
    assert hw.sizes("mx_bmm") == {"heads": 1, "rows": 32, "cols": 32, "depth": 64}
    assert HardwareConfig().sizes("mx_bmm") == {"heads": 4, "rows": 4, "cols": 4, "depth": 16}
    assert hw.writeback_rows == 32


@pytest.mark.parametrize(
    ("hw", "op", "message"),
    [
        (HardwareConfig(blen=3), "mx_mm", "powers of two, blen <= mlen; got blen = 3, mlen = 64"),
        (HardwareConfig(hlen=128), "mx_bmm", "got blen = 4, hlen = 128, mlen = 64"),
        (HardwareConfig(), "mx_nm", "no sizes for 'mx_nm'; known: mx_mm, mx_mv, mx_bmm. Did you"),
    ],
)
def test_sizes_that_do_not_fit(hw: HardwareConfig, op: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        hw.sizes(op)
    assert message in str(caught.value)
