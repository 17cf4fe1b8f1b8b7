"""A model whose operations run in Verilated blocks, with the bits of exact torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from plena_cosim.cosim.errors import CosimError
from plena_cosim.cosim.run import RESULTS, run_cosim
from plena_cosim.golden import FormatError

Jobs = Callable[..., Any]


def printed(console: Console) -> str:
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line) <= 80 for line in text.splitlines() if line.startswith(("┃", "│")))
    return str(text)


def test_every_operation_of_a_layer_has_the_bits_of_torch_in_prefill_and_decode(
    job: Jobs, tmp_path: Path, quiet: Console
) -> None:
    record = run_cosim(job(decode=2), out=tmp_path / "run", console=quiet)
    assert record["equal"], record["difference"]
    assert not record["in_torch"]
    assert record["sums"] == "in blocks"
    assert "logits equal to those of exact torch (bfloat16) in every bit" in printed(quiet)
    done = {(row["part"], row["op"]) for row in record["rows"]}
    assert done >= {
        ("matmul", "matmul"),
        ("matmul", "quantize_mx"),
        ("attention", "matmul"),
        ("attention", "softmax"),
        ("attention", "hadamard"),
        ("kv_cache", "quantize"),
        ("rope", "mul"),
        ("rope", "add"),
        ("rms_norm", "rms_norm"),
        ("silu", "silu"),
        ("embedding", "cast"),
        ("residual", "add"),
        ("gate · up", "mul"),
    } - {("embedding", "cast")}
    assert all(row["codes"] and row["cycles"] for row in record["rows"])
    used = {label.partition("[")[0] for label in record["blocks"]}
    assert used == {
        *("mx_mm", "fp_to_mx", "mx_to_fp", "fp_cast", "fp_add", "fp_sub", "fp_mul", "fp_exp"),
        *("fp_reciprocal", "fp_sqrt", "reduce_sum", "reduce_max", "silu"),
    }
    saved = json.loads((tmp_path / "run" / RESULTS).read_text())
    assert saved["rows"] == record["rows"]
    assert set(saved["builds"]) == set(saved["blocks"])
    page = (tmp_path / "run" / "report.html").read_text()
    assert "equal in every bit" in page
    assert "mx_mm[" in page


def test_matmul_alone_leaves_the_rest_to_torch(job: Jobs, tmp_path: Path, quiet: Console) -> None:
    record = run_cosim(
        job("matmul", dtype="float32", window=12), out=tmp_path / "run", console=quiet
    )
    assert record["equal"], record["difference"]
    assert {row["op"] for row in record["rows"]} == {"matmul", "quantize_mx", "cast"}
    assert record["perplexity"] == record["perplexity_torch"] > 1
    text = printed(quiet)
    assert "by exact torch:" in text
    assert "residual sums and gate · up: in the model's dtype, float32, by torch" in text
    every = sum(row["macs"] for row in record["rows"])
    # 12 tokens: q, k, v, o, gate, up, down, and the head; then both products of four heads of 8.
    linear = 12 * 32 * (32 + 16 + 16 + 32 + 48 * 3 + 61)
    assert every == linear + 2 * 4 * 12 * 12 * 8


def test_what_was_equal_is_not_run_again(job: Jobs, tmp_path: Path, quiet: Console) -> None:
    first = run_cosim(job("matmul"), out=tmp_path / "a", console=quiet)
    again = run_cosim(job("matmul"), out=tmp_path / "b", console=quiet)
    # k and v have the input of q, up that of gate: quantising it is compared once.
    assert sum(row["known"] for row in first["rows"]) == 3
    assert all(row["known"] == row["calls"] for row in again["rows"])
    for key in ("codes", "cycles", "macs", "machine_cycles"):
        assert [row[key] for row in again["rows"]] == [row[key] for row in first["rows"]]
    fresh = run_cosim(job("matmul", fresh=True), out=tmp_path / "c", console=quiet)
    assert not any(row["known"] for row in fresh["rows"])
    other = run_cosim(job("matmul", tokens=9), out=tmp_path / "d", console=quiet)
    assert sum(row["known"] for row in other["rows"]) == 3


def test_an_equal_run_leaves_no_difference_of_an_earlier_one(
    job: Jobs, tmp_path: Path, quiet: Console
) -> None:
    left = tmp_path / "run" / "difference.json"
    left.parent.mkdir()
    left.write_text("{}")
    assert run_cosim(job("residual", tokens=2), out=left.parent, console=quiet)["equal"]
    assert not left.exists()


def test_only_chosen_layers_run_in_blocks(job: Jobs, tmp_path: Path, quiet: Console) -> None:
    record = run_cosim(
        job("matmul", layers="1", max_layers=2, tokens=4), out=tmp_path / "run", console=quiet
    )
    assert record["equal"]
    assert {row["module"].split(".")[2] for row in record["rows"]} == {"1"}


def test_bad_input_is_one_clear_error(job: Jobs, tmp_path: Path, quiet: Console) -> None:
    with pytest.raises(CosimError, match=r"unknown operation 'matmull'; known: matmul.*mean"):
        job("matmull")
    with pytest.raises(CosimError, match=r"--layers: need a number such as 3 .* got '5-2'"):
        job("all", layers="5-2")
    with pytest.raises(CosimError, match=r"--max-layers: need 1 … 2, .* got 3"):
        run_cosim(job(max_layers=3), out=tmp_path, console=quiet)
    with pytest.raises(CosimError, match=r"100 tokens, and 1000 are to be read"):
        run_cosim(job(tokens=1000), out=tmp_path, console=quiet)
    machine = tmp_path / "narrow.toml"
    machine.write_text("[dimensions]\nmlen = 4\n")
    with pytest.raises(CosimError, match=r"has blocks of 8 elements .* mlen = 4 elements a beat"):
        run_cosim(job(machine=machine), out=tmp_path, console=quiet)
    with pytest.raises(FormatError, match="does not exist"):
        run_cosim(job(machine=tmp_path / "none.toml"), out=tmp_path, console=quiet)
