"""The tables of README and docs are generated; they must be what the registry says today."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from plena_cosim.cli.main import app
from plena_cosim.docs import format_table, op_table
from plena_cosim.golden.ops import OPS


def test_format_tables_are_fresh() -> None:
    page = format_table.DOCUMENT.read_text(encoding="utf-8")
    assert page == format_table.renewed(page), "run `plena formats --write`"


def test_the_command_renews_the_format_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = format_table.DOCUMENT.read_text(encoding="utf-8")
    ops = op_table.DOCUMENT.read_text(encoding="utf-8")
    documents = {
        format_table: page.replace("| bf16 | 16 |", "| bf16 | 17 |"),
        op_table: ops.replace("every input: e5m2", "every input: e5m9"),
    }
    for module, stale in documents.items():
        monkeypatch.setattr(module, "DOCUMENT", tmp_path / module.DOCUMENT.name)
        module.DOCUMENT.write_text(stale, encoding="utf-8")
    assert CliRunner().invoke(app, ["formats", "--write"]).stdout.count("renewed") == 2
    assert format_table.DOCUMENT.read_text(encoding="utf-8") == page
    assert op_table.DOCUMENT.read_text(encoding="utf-8") == ops
    assert CliRunner().invoke(app, ["formats", "--write"]).stdout.count("fresh") == 2


def test_op_table_is_fresh() -> None:
    page = op_table.DOCUMENT.read_text(encoding="utf-8")
    assert page == op_table.renewed(page), "run `plena ops --write`, or `plena formats --write`"


def test_every_op_has_evidence() -> None:
    for name in OPS:
        evidence = op_table.evidence_of(name)
        assert evidence.exhaustive or evidence.sampled, name
        assert evidence.benches, f"{name} has no case with bench=True"
        assert evidence.proofs, name
