"""`plena synth`: what Yosys prints becomes figures, and a block that grows fails."""

from __future__ import annotations

import asyncio
import importlib.metadata
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from plena_cosim.docs import cost_table
from plena_cosim.golden import FormatError, get_format
from plena_cosim.golden.ops.registry import OPS, get_op
from plena_cosim.sim.synthesis import cases as synth_cases
from plena_cosim.sim.synthesis import run as synth
from plena_cosim.sim.synthesis.cases import Configuration, all_configurations, select_configurations
from plena_cosim.sim.synthesis.report import Outcome, Pace, grown, markdown, table
from plena_cosim.sim.synthesis.yosys import (
    Cost,
    SynthError,
    cost_of,
    has_core,
    parse_flip_flops,
    parse_gates,
    pyosys_version,
)
from plena_cosim.sim.verilate.rtl_files import RTL_DIR

BEFORE = Cost(ge=1000, depth=50, ff=100)
TINY = Configuration(op=get_op("fp_mul"), formats={"fmt": get_format("e2m1")})


def test_the_last_statistics_count() -> None:
    log = (
        "9. Printing statistics.\n   7   $_DFFE_PN0P_\n   2   $_DFF_P_\n"
        "Estimated number of transistors:       99+\n"
        "10. Printing statistics.\n   8   $_DFFE_PN0P_\n   3   $_SDFF_PP0_\n   5   $_NAND_\n"
        "Estimated number of transistors:       5270+\n"
        "Longest topological path in m (length=88):\n"
    )
    assert parse_gates(log) == (1317.5, 88)
    assert parse_flip_flops(log) == 11


@pytest.mark.parametrize(
    ("log", "missing"),
    [
        ("Longest topological path in m (length=8):\n", "no transistor count"),
        ("Estimated number of transistors:   8\nlast line", "no path length .*last line"),
    ],
)
def test_a_log_without_figures_is_an_error(log: str, missing: str) -> None:
    with pytest.raises(SynthError, match=missing):
        parse_gates(log)


@pytest.mark.parametrize(
    ("cost", "found"),
    [
        (BEFORE, []),
        (Cost(ge=1020, depth=51, ff=102), []),
        (Cost(ge=500, depth=5, ff=10), []),
        (Cost(ge=1020.5, depth=50, ff=100), ["1,020 GE > 1,000 + 2 %"]),
        (Cost(ge=900, depth=52, ff=100), ["depth 52 > 50 + 1"]),
        (Cost(ge=900, depth=50, ff=103), ["103 FF > 100 + 2 %"]),
    ],
)
def test_growth_beyond_the_tolerance_is_named(cost: Cost, found: list[str]) -> None:
    assert grown(cost, BEFORE) == found


def test_every_op_has_a_configuration_of_its_own_id() -> None:
    ids = [entry.id for entry in all_configurations()]
    assert len(ids) == len(set(ids))
    assert {entry.op.name for entry in all_configurations()} == set(OPS)


def test_an_op_without_a_list_gets_the_formats_of_its_bench(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(synth_cases._BUILDERS, "fp_mul")
    assert [entry.id for entry in select_configurations("fp_mul")] == ["fp_mul-e4m3", "fp_mul-bf16"]


def test_slow_configurations_wait_to_be_asked_for() -> None:
    usual, everything = select_configurations(), select_configurations(slow=True)
    assert len(usual) < len(everything) == len(all_configurations())
    assert not any(entry.slow for entry in usual)


def test_a_format_outside_the_table_makes_its_own_configuration() -> None:
    assert [entry.id for entry in select_configurations("fp_mul", "e3m4")] == ["fp_mul-e3m4"]


@pytest.mark.parametrize(
    ("block", "fmt", "message"),
    [
        ("fp_mull", None, "unknown op 'fp_mull'.*Did you mean 'fp_mul'"),
        ("fp_cast", "e3m4", "nothing to synthesise for fp_cast with the format 'e3m4'; there are"),
        ("mx_dot", "mxfp6_e3m2", "only slow ones, add --all"),
    ],
)
def test_what_is_not_there_is_an_error(block: str, fmt: str | None, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        select_configurations(block, fmt)


def test_missing_pyosys_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(SynthError, match=r"pip install 'plena-cosim\[synth\]'"):
        pyosys_version()


def test_time_left_follows_the_work_not_the_count() -> None:
    costs = {"small": replace(BEFORE, ge=10.0), "large": replace(BEFORE, ge=30.0)}
    pace = Pace(["small", "large", "new"], costs, Console(file=io.StringIO()))
    for name in ("small", "new"):
        pace.starts(name)
        pace.finished(name, BEFORE)
    # Work is gates squared: 100 and the median 500 are done, 900 is left.
    assert pace.time_left(60.0) == "1:30"


def test_tables_show_the_record_and_the_anchor() -> None:
    (entry,) = select_configurations("fp_mul", "e4m3")
    console = Console(file=io.StringIO(), width=130)
    worse = Cost(ge=1100, depth=50, ff=100)
    console.print(table([Outcome(configuration=entry, cost=worse, recorded=BEFORE)]))
    shown = console.file.getvalue()
    assert all(text in shown for text in ("1,100", "1,000 (50, 100)", "+10.0%", "534 (50)", "2.06"))
    row = markdown([entry, TINY], {entry.id: BEFORE}).splitlines()[2:]
    assert row == [
        "| `fp_mul` | e4m3 | 1,000 | 50 | 100 | 534 (50) | 1.87 | HardFloat / cvfpu, the better |"
    ]


def test_a_faulty_block_is_yosys_own_error(tmp_path: Path) -> None:
    rtl = tmp_path / "rtl"
    shutil.copytree(RTL_DIR, rtl)
    core = rtl / "fp" / "plena_fp_mul_core.sv"
    core.write_text(core.read_text().replace("endmodule", "assign product = nothing;\nendmodule"))
    with pytest.raises(SynthError, match=r"Yosys failed on plena_fp_mul_core .*nothing"):
        asyncio.run(cost_of(TINY, rtl_dir=rtl, cache=tmp_path))


def test_a_small_block_is_synthesised_once_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recorded = tmp_path / "synth.json"

    def call(**options: bool) -> int:
        return synth.run(
            "fp_mul", "e2m1", recorded=recorded, results=tmp_path / "results", **options
        )

    assert call() == 0
    assert "1 not recorded yet" in capsys.readouterr().out
    assert call(record=True) == 0
    capsys.readouterr()
    cost = synth.load_record(recorded)["fp_mul-e2m1"]
    assert has_core(TINY)
    assert 20 < cost.ge < 200
    assert 5 < cost.depth < 30
    assert cost.ff == 5  # four bits and the valid bit

    # From now on only the cache can answer.
    async def refuse(*_: object) -> str:
        raise AssertionError

    monkeypatch.setattr("plena_cosim.sim.synthesis.yosys._yosys", refuse)
    assert call(as_json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["figures"][0]["ge"] == cost.ge
    assert {"commit", "command", "versions", "flow"} <= report.keys()

    better = json.loads(recorded.read_text())
    better["figures"]["fp_mul-e2m1"]["depth"] -= 2
    recorded.write_text(json.dumps(better))
    assert call() == 1
    assert f"FAILED fp_mul-e2m1: depth {cost.depth} > {cost.depth - 2} + 1" in (
        capsys.readouterr().out
    )
    recorded.write_text(json.dumps(better | {"pyosys": "0.1"}))
    assert call() == 2
    assert "recorded with pyosys 0.1" in capsys.readouterr().err


def test_unknown_block_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert synth.run("fp_mull") == 2
    assert capsys.readouterr().err.startswith("FormatError: unknown op 'fp_mull'")


def test_the_table_of_the_docs_is_what_is_recorded() -> None:
    text = cost_table.DOCUMENT.read_text(encoding="utf-8")
    assert text == cost_table.renewed(text), "run `plena synth --record`"
