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
    document = tmp_path / "README.md"
    document.write_text(page.replace("| bf16 | 16 |", "| bf16 | 17 |"), encoding="utf-8")
    monkeypatch.setattr(format_table, "DOCUMENT", document)
    assert "renewed" in CliRunner().invoke(app, ["formats", "--write"]).stdout
    assert document.read_text(encoding="utf-8") == page
    assert "fresh" in CliRunner().invoke(app, ["formats", "--write"]).stdout


def test_op_table_is_fresh() -> None:
    page = op_table.DOCUMENT.read_text(encoding="utf-8")
    assert page == op_table.renewed(page), "run `plena ops --write`"


def test_every_op_has_evidence() -> None:
    for name in OPS:
        evidence = op_table.evidence_of(name)
        assert evidence.exhaustive or evidence.sampled, name
        assert evidence.benches, f"{name} has no case with bench=True"
        assert evidence.proofs, name
