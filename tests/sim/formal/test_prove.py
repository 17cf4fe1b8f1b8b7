"""Proofs hold, find their bugs, and say so when they cannot; small ones here, `plena prove` all."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import pytest
from rich.console import Console

from plena_cosim.golden import FormatError, decode, get_format
from plena_cosim.golden.ops import mul
from plena_cosim.golden.ops.op import Family
from plena_cosim.golden.ops.registry import OPS
from plena_cosim.sim.formal import prove
from plena_cosim.sim.formal import smt as formal
from plena_cosim.sim.formal.proofs import (
    E2M1_MAGNITUDES,
    PROOFS,
    Proof,
    e2m1_product_table,
    keeps_contract,
    proofs_of,
)
from plena_cosim.sim.formal.smt import ElaborationError, ProofToolsError
from plena_cosim.sim.verilate.fault import Fault
from plena_cosim.sim.verilate.rtl_files import RTL_DIR, RtlNotFoundError

BY_NAME = {proof.name: proof for proof in PROOFS}
TOGGLE = """\
module plena_toggle (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic out_ready_i,
  output logic out_valid_o,
  output logic holds_o
);
  logic [2:0] count_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) count_q <= '0;
    else if (out_ready_i) count_q <= {};
  end
  assign out_valid_o = count_q[0] {};
  assign holds_o = count_q != 3'd5;
endmodule
"""


QUEUE = """\
module plena_queue (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic in_valid_i,
  input  logic out_ready_i,
  output logic holds_o
);
  logic       first_q, second_q, ready;
  logic [1:0] count_q, quiet_q;
  assign ready = !first_q || !second_q || out_ready_i;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) {first_q, second_q, count_q, quiet_q} <= '0;
    else begin
      if (ready) first_q <= in_valid_i;
      if (!second_q || out_ready_i) second_q <= first_q;
      count_q <= count_q + 2'(in_valid_i && ready) - 2'(LEAVES && out_ready_i);
      quiet_q <= count_q == '0 || second_q ? '0 : quiet_q + 2'd1;
    end
  end
  assign holds_o = count_q != 2'd3 && quiet_q < 2'd2;
endmodule
"""


def toggle(step: str, valid: str = "") -> formal.Design:
    """Return a counter that must not become 5."""
    return formal.elaborate("plena_toggle", source=TOGGLE.format(step, valid))


@pytest.mark.parametrize(
    "name",
    ["mul-e2m1-table", "max-tree", "stream-reg", "contract-fp_to_mx", "contract-fp_to_nvfp4"],
)
def test_a_proof_holds_and_finds_its_bugs(name: str, tmp_path: Path) -> None:
    assert prove.run(name, console=Console(quiet=True), results=tmp_path) == 0
    record = json.loads((tmp_path / "prove.json").read_text(encoding="utf-8"))
    assert {"commit", "command", "versions", "proofs"} <= record.keys()
    assert record["command"] == f"plena prove --proof {name}"
    (result,) = record["proofs"]
    assert result["proof"] == name
    assert result["failure"] == ""
    assert len(result["bugs"]) == len(BY_NAME[name].faults)
    assert all(bug["configuration"] and bug["counterexample"] for bug in result["bugs"])


def test_a_false_claim_fails_with_its_counterexample(tmp_path: Path) -> None:
    table = e2m1_product_table()
    wrong = table[:-1] + format(int(table[-1], 16) ^ 1, "x")  # 0 * 0
    proof = BY_NAME["mul-e2m1-table"]
    parameters = dict(proof.configurations["e2m1"]) | {"Table": wrong}
    false = dataclasses.replace(proof, configurations={"e2m1": parameters}, faults=())
    result = prove.attempt(false)
    assert not result.good
    assert result.failure == "e2m1: a_i=0x0 b_i=0x0 y_o=0x0"
    console = Console(record=True, width=100, quiet=False, file=(tmp_path / "out").open("w"))
    assert prove.run(proofs=[false], console=console, results=tmp_path) == 1
    assert "FAILED mul-e2m1-table: e2m1: a_i=0x0 b_i=0x0 y_o=0x0" in console.export_text()


def test_a_bug_that_changes_nothing_is_not_found(tmp_path: Path) -> None:
    proof = BY_NAME["max-tree"]
    same = Fault(name="no bug", file=proof.faults[0].file, old="localparam", new="localparam  ")
    with pytest.raises(RtlNotFoundError, match=r"'localparam' stands \d+ times in .*not once"):
        prove.seed(proof, same)
    same = dataclasses.replace(same, old="Largest of many", new="Greatest of many")
    lazy = dataclasses.replace(proof, faults=(same,), configurations={"2 lanes": {"Lanes": 2}})
    console = Console(record=True, width=100, file=(tmp_path / "out").open("w"))
    assert prove.run(proofs=[lazy], console=console, results=tmp_path) == 1
    assert "FAILED max-tree does not find 'no bug'" in console.export_text()


def test_a_violation_is_found_at_the_first_cycle_it_can_occur() -> None:
    design = toggle("count_q + 3'd1")
    assert formal.find_violation(design, 6) is None
    steps = formal.find_violation(design, 7, ["count_q"])
    assert steps is not None
    # Cycle 0 is the reset; it takes five more steps, and one for the reset to end.
    assert [step.values["count_q"] for step in steps] == [0, 0, 1, 2, 3, 4, 5]


def test_induction_needs_the_states_that_occur() -> None:
    design = toggle("count_q == 3'd2 ? 3'd0 : count_q + 3'd1")
    # 4 is never reached, but nobody has said so: 3, 4, 5 is a way to a violation.
    assert formal.induct(design, 1, []) is not None
    states = formal.reachable(design, ["count_q"])
    assert sorted(state["count_q"] for state in states) == [0, 1, 2]
    assert formal.induct(design, 1, states) is None


def test_an_induction_over_nothing_is_an_error() -> None:
    design = toggle("count_q")  # never changes, and only cycles with a change count
    with pytest.raises(RuntimeError, match="no 2 good cycles exist at all"):
        formal.induct(design, 2, [{"count_q": 0}])


def test_a_chain_of_stages_stands_for_a_list_of_states() -> None:
    queue = formal.elaborate("plena_queue", source=QUEUE.replace("LEAVES", "second_q"))
    assert formal.induct(queue, 1, []) is not None
    chain = formal.chain_of(queue, ["second_q", "first_q"], "count_q", "quiet_q")
    assert chain is not None
    assert chain.stages == ("first_q", "second_q")
    assert formal.induct(queue, 1, [], chain=chain) is None
    assert formal.chain_of(queue, ["first_q"], "count_q", "quiet_q") is None
    early = formal.elaborate("plena_queue", source=QUEUE.replace("LEAVES", "first_q"))
    assert formal.chain_of(early, ["second_q", "first_q"], "count_q", "quiet_q") is None


def test_an_output_that_looks_at_ready_in_the_cycle_is_found() -> None:
    assert formal.depends(toggle("count_q + 3'd1"), "out_valid_o", "out_ready_i") is None
    waits = toggle("count_q + 3'd1", "&& out_ready_i")
    steps = formal.depends(waits, "out_valid_o", "out_ready_i")
    assert steps is not None
    assert steps[1].values["out_valid_o"] != steps[2].values["out_valid_o"]


def test_the_e2m1_table_has_exact_products() -> None:
    fmt = get_format("e2m1")
    assert [Fraction(float(v)) for v in decode(range(8), fmt)] == list(E2M1_MAGNITUDES)
    word = int(e2m1_product_table().removeprefix("1024'h"), 16)
    rows = [word >> (4 * row) & 15 for row in range(256)]
    a, b = [row >> 4 for row in range(256)], [row & 15 for row in range(256)]
    assert rows == mul(a, b, fmt).tolist()


def test_missing_tools_are_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ProofToolsError) as error:
        prove.run("round")
    assert str(error.value) == (
        "proofs need pyosys and z3-solver; install the wheels, no root needed: "
        "pip install 'plena-cosim[synth]'"
    )


def test_an_unknown_proof_names_the_nearest() -> None:
    with pytest.raises(FormatError, match=r"unknown proof 'rounds'.*Did you mean 'round'"):
        prove.select_proofs("rounds")


def test_proofs_of_a_block_are_about_it_and_what_it_is_made_of(tmp_path: Path) -> None:
    names = [proof.name for proof in prove.select_proofs(block="fp_neg")]
    assert names == ["stream-reg", "contract-fp_neg"]
    assert prove.select_proofs("stream-reg", "fp_neg") == (BY_NAME["stream-reg"],)
    with pytest.raises(FormatError, match=r"'round' of block fp_neg; known: stream-reg, contract-"):
        prove.select_proofs("round", "fp_neg")
    with pytest.raises(FormatError, match=r"unknown op 'fp_ne'.*Did you mean 'fp_neg'"):
        prove.select_proofs(block="fp_ne")
    quiet = Console(quiet=True)
    assert prove.run("contract-fp_neg", "fp_neg", console=quiet, results=tmp_path) == 0
    record = json.loads((tmp_path / "prove.json").read_text(encoding="utf-8"))
    assert record["command"] == "plena prove --block fp_neg --proof contract-fp_neg"


def test_blocks_whose_stages_are_no_chain_are_left_to_benches() -> None:
    none = {op.name for op in OPS.values() if not keeps_contract(op)}
    deep = {op.name for op in OPS.values() if op.family in (Family.ACTIVATION, Family.ROW)}
    now_and_then = {"mx_mm", "mx_mv", "mx_bmm", "mx_tile", "attention_step"}
    assert none == deep | now_and_then
    assert keeps_contract(OPS["fp_sigmoid"])  # ten cycles


def test_what_yosys_refuses_is_told_in_its_words() -> None:
    with pytest.raises(ElaborationError, match=r"cannot elaborate plena_toggle .*undeclared"):
        toggle("no_such_signal")


def test_every_proof_names_modules_and_bugs() -> None:
    known = {path.stem for path in RTL_DIR.rglob("plena_*.sv")}
    assert len(BY_NAME) == len(PROOFS)
    for proof in PROOFS:
        assert proof.faults, f"{proof.name} has no bug that it must find"
        assert set(proof.modules) <= known
        for bug in proof.faults:
            text = (RTL_DIR / bug.file).read_text(encoding="utf-8")
            assert text.count(bug.old) == 1, f"{proof.name}: {bug.old!r} in {bug.file}"
    assert "round" in proofs_of("plena_round_up")
    assert proofs_of("plena_fp_pack") == []


def test_properties_are_part_of_no_block() -> None:
    properties = {path.stem for path in (RTL_DIR / "formal").glob("*.sv")}
    for path in RTL_DIR.rglob("plena_*.sv"):
        if path.parent.name != "formal":
            text = path.read_text(encoding="utf-8")
            assert not [name for name in properties if name in text], path
    assert {proof.top for proof in PROOFS} - {"plena_stream_contract"} <= properties


@pytest.mark.parametrize("name", OPS)
def test_every_op_has_its_stream_contract_proven(name: str) -> None:
    proof = BY_NAME.get(f"contract-{name}")
    if keeps_contract(OPS[name]):
        assert isinstance(proof, Proof)
        assert proof.modules == (OPS[name].module,)
    else:
        assert proof is None
