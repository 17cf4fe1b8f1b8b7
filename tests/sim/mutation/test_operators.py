"""Mutants of SystemVerilog text: what is changed, and what is left alone."""

from __future__ import annotations

import pytest

from plena_cosim.sim.mutation.operators import mutants_of
from plena_cosim.sim.verilate.rtl_files import RTL_DIR

FILES = sorted(path for path in RTL_DIR.glob("*/*.sv") if path.parent.name != "formal")


def changes(text: str) -> set[str]:
    """Return the changed lines of all mutants."""
    return {mutant.after for mutant in mutants_of(text, "toy.sv")}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("assign y = a + b;", {"assign y = a - b;", "assign y = a;"}),
        ("assign y = a && b;", {"assign y = a || b;", "assign y = a;"}),
        ("assign y = &a;", {"assign y = |a;"}),
        ("assign y = a == b;", {"assign y = a != b;"}),
        ("assign y = a <= b;", {"assign y = a < b;"}),
        ("assign y = a << 2;", {"assign y = a >> 2;", "assign y = a << 3;", "assign y = a << 1;"}),
        ("assign y = a ^ (b & c);", {"assign y = a | (b & c);", "assign y = a;"}),
        ("assign y = 1'b0;", {"assign y = 1'b1;"}),
        ("assign y = '0;", {"assign y = '1;"}),
        ("assign y = a[W:0];", {"assign y = a[W-1:0];", "assign y = a[W+1:0];"}),
        ("assign y = a[F.w:0];", {"assign y = a[F.w-1:0];", "assign y = a[F.w+1:0];"}),
        ("assign y = F.w == 0 ? a : b;", {"assign y = F.w != 0 ? a : b;"}),
        ("if (a && b) y = c;", {"if (!(a && b)) y = c;", "if (a || b) y = c;"}),
        ("assign y = a ? b : c;", {"assign y = !(a) ? b : c;"}),
        ("assign y = a + b * c;", {"assign y = a - b * c;", "assign y = a + b + c;"}),
        ("q <= d;", {"q <= e;", ";"} - {"q <= e;"}),
        ("q <= a <= b;", {"q <= a < b;", ";"}),
    ],
)
def test_a_line_becomes(line: str, wanted: set[str]) -> None:
    assert wanted <= changes(line)


def test_a_product_term_is_not_dropped_with_half_its_factors() -> None:
    assert "assign y = a * c;" not in changes("assign y = a + b * c;")


def test_an_assignment_is_no_comparison() -> None:
    assert not {line for line in changes("q <= d;") if "<" in line}


def test_what_is_no_logic_is_left_alone() -> None:
    text = """\
module plena_toy #(
  parameter int unsigned W = 8 + 1
) (
  input logic [W-1:0] a_i
);
  localparam int unsigned Latency = 3;
  logic [W-1:0] a;  // a + b
  if (W < 1) begin : gen_illegal
    $fatal(1, "W=%0d + 1", W);
  end
  for (genvar lane = 0; lane < W; lane++) begin : gen_lane
  end
  assign unused_a = ^a;
endmodule
"""
    assert mutants_of(text, "toy.sv") == []


def test_what_only_makes_defaults_and_messages_is_left_alone() -> None:
    text = """\
package plena_toy_pkg;
  function automatic int unsigned pack_toy(int unsigned w);
    return {2'd0, w + 1};
  endfunction
  localparam int unsigned Toy = pack_toy(8);
  function automatic string toy_text(int unsigned toy);
    return $sformatf("%0d", toy + 1);
  endfunction
endpackage
"""
    assert mutants_of(text, "toy.sv") == []


def test_a_mutant_knows_its_place() -> None:
    text = "// one\nassign y = a & b;\n"
    mutant = next(m for m in mutants_of(text, "x/toy.sv") if m.kind == "operator")
    assert (mutant.file, mutant.line, mutant.column) == ("x/toy.sv", 2, 14)
    assert mutant.apply(text) == "// one\nassign y = a | b;\n"
    assert mutant.describe() == "x/toy.sv:2:14: assign y = a & b;  =>  assign y = a | b;"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_has_mutants_with_names_of_their_own(path: object) -> None:
    text = path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    mutants = mutants_of(text, "toy.sv")
    assert len({mutant.id for mutant in mutants}) == len(mutants)
    for mutant in mutants:
        assert mutant.apply(text) != text
