"""The tables of README and docs are generated; they must be what the registry says today."""

from __future__ import annotations

from pathlib import Path

from plena_cosim.docs import op_table
from plena_cosim.docs.format_table import markdown
from plena_cosim.golden.ops import OPS

README = Path(__file__).parents[1] / "README.md"


def test_format_tables_are_fresh() -> None:
    readme = README.read_text(encoding="utf-8")
    shown = readme.split("<!-- formats -->")[1].split("<!-- /formats -->")[0]
    assert shown.strip() == markdown(), "run `plena formats --markdown` and paste it into README.md"


def test_op_table_is_fresh() -> None:
    page = op_table.DOCUMENT.read_text(encoding="utf-8")
    assert page == op_table.renewed(page), "run `plena ops --write`"


def test_every_op_has_evidence() -> None:
    for name in OPS:
        evidence = op_table.evidence_of(name)
        assert evidence.exhaustive or evidence.sampled, name
        assert evidence.benches, f"{name} has no case with bench=True"
        assert evidence.proofs, name
