"""docs/rtl.md: fresh, and what it says of latency is what the RTL's localparams say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plena_cosim.golden.ops.registry import OPS, get_op
from plena_cosim.sim.cases.compare import load_case
from plena_cosim.sim.cases.table import select_cases
from plena_cosim.sim.generate.rtl_docs import (
    BEGIN,
    DOCUMENT,
    END,
    diagram,
    modules,
    read_module,
    renewed,
)

KNOWN = {module.name: module for module in modules()}


def test_document_is_fresh() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert renewed(text) == text, "run `plena ops --write`"


@pytest.mark.parametrize("name", OPS)
def test_header_and_localparam_agree_about_latency(name: str) -> None:
    """A number in the localparam is the number of cycles that the header promises."""
    module = KNOWN[OPS[name].module]
    promised = module.sections["Latency"]
    assert module.latency, f"{module.name} has no localparam Latency"
    if module.latency.isdigit():
        assert re.match(rf"{module.latency} cycles?\b", promised), promised


@pytest.mark.parametrize(
    ("block", "fmt", "text", "cycles"),
    [("fp_mul", "e2m1", "`Stages`", 1), ("fp_cast", "e4m3", "1", 1), ("rope", "e4m3", "2", 2)],
)
def test_documented_latency_is_the_built_blocks(
    block: str, fmt: str, text: str, cycles: int
) -> None:
    assert KNOWN[get_op(block).module].latency_text == text
    assert load_case(select_cases(block, fmt)[0]).latency == cycles


@pytest.mark.parametrize("name", KNOWN)
def test_every_module_has_a_summary_and_a_latency(name: str) -> None:
    module = KNOWN[name]
    assert re.fullmatch(r"[A-Z0-9].{14,}\.", module.summary), module.summary
    assert module.latency_text not in ("", "-"), f"{name}: the header lacks its Latency"


def test_expression_of_other_localparams_is_resolved(tmp_path: Path) -> None:
    path = tmp_path / "plena_x.sv"
    path.write_text(
        "// SPDX-License-Identifier: Apache-2.0\n"
        "//\n"
        "// Stream of things: y = a | b.\n"
        "//\n"
        "// Golden twin: golden.ops.x.\n"
        "// Method:     two stages: plena_y | round\n"
        "//             once. More words.\n"
        "// Latency:    Depth + 1 cycles; one a cycle.\n"
        "module plena_x #(\n"
        "  parameter  int unsigned Depth = 2,  // not a localparam\n"
        "  localparam int unsigned Width = 3\n"
        ") (\n  input logic clk_i\n);\n"
        "  localparam int unsigned Stages = Depth;\n"
        "  localparam int unsigned Latency = Stages + 1;\n"
        "  plena_y u_y ();\n"
        "  plena_z #(.W(1)) u_z ();\n"
        "endmodule\n",
        encoding="utf-8",
    )
    module = read_module(path)
    assert module is not None
    assert module.summary == "Stream of things: y = a | b."
    assert module.stages == ("plena_y", "round once")
    assert module.parameters == ("Depth",)
    assert module.parts == ("plena_y", "plena_z")
    assert module.latency_text == "`Depth + 1`"


def test_a_package_is_no_module(tmp_path: Path) -> None:
    path = tmp_path / "plena_y_pkg.sv"
    path.write_text("package plena_y_pkg;\nendpackage\n", encoding="utf-8")
    assert read_module(path) is None


@pytest.mark.parametrize("name", OPS)
def test_diagrams_have_balanced_labels(name: str) -> None:
    lines = diagram(KNOWN[OPS[name].module], OPS[name], KNOWN).splitlines()
    assert lines[0] == "flowchart LR"
    assert all(re.fullmatch(r'  \w+(\["[^"]*"\]|\(\["[^"]*"\]\))', line) for line in lines[1:-1])
    assert lines[-1].startswith("  inputs --> s0")


def test_another_op_makes_the_document_stale() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    emptied = f"{text.split(BEGIN)[0]}{BEGIN}\n{END}\n"
    assert renewed(emptied) == text
