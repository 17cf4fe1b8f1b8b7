"""What a machine's file says of time."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.golden.timing import Latency, Timing
from plena_cosim.programs.folder import toml

FILE = """
[timing]
clock_ghz = 0.5
hbm_gb_s = 100
macs = 16
vendor_units = false

[latency]
vector_exp = [3, 9]
"""


def test_tables_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(FILE)
    machine = Machine.load(path)
    assert machine.timing == Timing(
        clock_ghz=0.5,
        hbm_gb_s=100,
        macs=16,
        vendor_units=False,
        latency=Latency(vector_exp=(3, 9)),
    )
    assert machine.timing.bytes_per_cycle == 200
    path.write_text(toml(machine.tables()))
    assert Machine.load(path) == machine
    assert Timing().tables() == {}
    assert Machine.load("plena.toml").timing == Timing()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[timing]\nclock = 1", "unknown key 'clock' in [timing]; known: clock_ghz"),
        ("[timing]\nclock_ghz = 0", "[timing] clock_ghz = 0; need a positive number"),
        ("[timing]\nhbm_gb_s = inf", "[timing] hbm_gb_s = inf; need a positive number"),
        ("[timing]\nhbm_gb_s = true", "[timing] hbm_gb_s = True; need a positive number"),
        ("[timing]\nmacs = 1.5", "[timing] macs = 1.5; need a positive integer"),
        ("[timing]\nvendor_units = 1", "[timing] vendor_units = 1; need true or false"),
        ("[latency]\nvector_ad = [1, 2]", "'vector_ad' in [latency]"),
        ("[latency]\nvector_add = 1", "vector_add = 1; need two numbers of cycles"),
        ("[latency]\nvector_add = [1, -2]", "vector_add = [1, -2]; need two numbers of cycles"),
        ("latency = 3", "[latency] must be a table"),
        ("timing = 3", "[timing] must be a table"),
        ("memory = 3", "[memory] must be a table"),
        ("types = 3", "[types] must be a table"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        Machine.load(path)
    assert str(caught.value).startswith(f"hardware config {path}: ")
    assert message in str(caught.value)
