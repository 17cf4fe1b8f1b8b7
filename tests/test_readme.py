"""The tables of README and docs are generated; they must be what the registry says today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plena_cosim.cli.main import app
from plena_cosim.docs import format_table, op_table, quark_fields, quark_table
from plena_cosim.golden.ops import OPS


def test_format_tables_are_fresh() -> None:
    page = format_table.DOCUMENT.read_text(encoding="utf-8")
    assert page == format_table.renewed(page), "run `plena formats --write`"


def test_the_command_renews_the_format_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = format_table.DOCUMENT.read_text(encoding="utf-8")
    ops = op_table.DOCUMENT.read_text(encoding="utf-8")
    quark = quark_table.DOCUMENT.read_text(encoding="utf-8")
    stale_quark = quark.replace("| `mx6` | 32 along", "| `mx6` | 33 along")
    stale_quark = stale_quark.replace("| `scaling.alpha = 0.5` |", "| `scaling.alpha = 0.6` |")
    documents = {
        format_table: page.replace("| bf16 | 16 |", "| bf16 | 17 |"),
        op_table: ops.replace("every input: e5m2", "every input: e5m9"),
        quark_table: stale_quark,
        quark_fields: stale_quark,
    }
    for module, stale in documents.items():
        monkeypatch.setattr(module, "DOCUMENT", tmp_path / module.DOCUMENT.name)
        module.DOCUMENT.write_text(stale, encoding="utf-8")
    assert CliRunner().invoke(app, ["formats", "--write"]).stdout.count("renewed") == 4
    assert format_table.DOCUMENT.read_text(encoding="utf-8") == page
    assert op_table.DOCUMENT.read_text(encoding="utf-8") == ops
    assert quark_table.DOCUMENT.read_text(encoding="utf-8") == quark
    assert CliRunner().invoke(app, ["formats", "--write"]).stdout.count("fresh") == 4


def test_op_table_is_fresh() -> None:
    page = op_table.DOCUMENT.read_text(encoding="utf-8")
    assert page == op_table.renewed(page), "run `plena ops --write`, or `plena formats --write`"


def test_every_op_has_evidence() -> None:
    for name in OPS:
        evidence = op_table.evidence_of(name)
        assert evidence.exhaustive or evidence.sampled, name
        assert evidence.benches, f"{name} has no case with bench=True"
        assert evidence.proofs, name


README = Path(__file__).parents[1] / "README.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_snippets_run_as_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself; the demo model is a small one here."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    monkeypatch.setattr(
        "plena_cosim.evaluate.load_model", lambda name: (LlamaForCausalLM(config), name)
    )
    monkeypatch.chdir(README.parent)
    assert len(SNIPPETS) == 2
    first, second = {}, {}
    exec(SNIPPETS[0], first)
    golden, bf16 = first["golden"], first["bf16"]
    assert first["q"].dequantize().shape == first["x"].shape
    mul = golden.ops.mul(first["a"], first["b"], bf16)
    ran = first["load_block"]("fp_mul", fmt=bf16).run(a=first["a"], b=first["b"])
    assert (mul == (ran["y"] if isinstance(ran, dict) else ran)).all()
    exec(SNIPPETS[1], second)
    assert second["info"]


def test_the_readme_says_how_to_get_the_command() -> None:
    text = README.read_text(encoding="utf-8")
    for words in ("git clone", "make shell", "source .venv/bin/activate", "pip install -e"):
        assert words in text
    assert "\nshell:" in (README.parent / "Makefile").read_text(encoding="utf-8")
