"""The README's tables are generated; they must be what the registry says today."""

from __future__ import annotations

from pathlib import Path

from plena_cosim.format_table import markdown

README = Path(__file__).parents[1] / "README.md"


def test_format_tables_are_fresh() -> None:
    readme = README.read_text(encoding="utf-8")
    shown = readme.split("<!-- formats -->")[1].split("<!-- /formats -->")[0]
    assert shown.strip() == markdown(), "run `plena formats --markdown` and paste it into README.md"
