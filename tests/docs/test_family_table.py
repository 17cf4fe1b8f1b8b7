"""The table of families in docs/recipe.md is one that the command has written."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from plena_cosim.cli.main import app
from plena_cosim.docs import family_table
from plena_cosim.evaluate.families.run import run_families
from plena_cosim.evaluate.families.shrink import families

FEW = ["falcon", "gemma3n", "gpt2", "gpt_neox", "llama", "mamba", "qwen3_moe", "zamba2"]
"""Dense and of experts, with attention and without, and one that cannot be built."""


def same_versions() -> bool:
    heading = family_table.stored()[0]
    version = importlib.metadata.version("transformers")
    return f"transformers {version}," in heading


def test_the_document_has_heading_and_table() -> None:
    heading, rows = family_table.stored()
    assert re.match(r"20\d\d-\d\d-\d\d, transformers [\d.]+, torch \S+: \d+ families, ", heading)
    text = family_table.DOCUMENT.read_text(encoding="utf-8")
    assert f"{family_table.BEGIN}\n{heading}\n\n| {' | '.join(family_table.HEADER)} |\n" in text
    assert all(len(row) == len(family_table.HEADER) for row in rows)
    names = [row[0] for row in rows]
    assert names == sorted(names)
    assert heading.split(": ")[1].startswith(f"{len(names)} families")


def test_every_family_that_transformers_knows_has_a_row() -> None:
    if not same_versions():
        pytest.skip("another transformers than that of the table")
    names = [row[0] for row in family_table.stored()[1]]
    assert names == sorted(families()), "run `make families-long`"


def test_a_few_families_are_what_the_table_says() -> None:
    if not same_versions():
        pytest.skip("another transformers than that of the table")
    stored = [row for row in family_table.stored()[1] if row[0] in FEW]
    assert family_table.rows(run_families(FEW, jobs=2)) == stored, "run `make families-long`"


def result(family: str, **changes: Any) -> dict[str, Any]:
    attention = {"modules": 2, "quantized": ["kv_cache", "qk_matmul", "av_matmul"], "refused": {}}
    return {
        "family": family, "architecture": "X", "stopped": "", "fault": "", "quantized": 9,
        "unable": {}, "tables": 1, "silent": [], "attention": attention,
    } | changes  # fmt: skip


RECORD = {
    "run": {"time": "2026-01-02T03:04:05Z", "versions": {"transformers": "5.1", "torch": "2.9"}},
    "families": [
        result("a"),
        result(
            "b",
            unable={"a recipe changes no weight of Gate": 4},
            silent=["layers.0.dt_proj", "layers.1.dt_proj"],
            attention={"modules": 2, "quantized": ["kv_cache"],
                       "refused": {"qk_matmul": "no | way", "av_matmul": "no | way"}},
        ),
        result("c", stopped="no model: ImportError: timm"),
        result("d", fault="KeyError: 'x'", quantized=0),
        result("e", attention={"modules": 0, "quantized": [], "refused": {}}),
        result("f", attention={"modules": 2, "quantized": [],
                               "refused": dict.fromkeys(("kv_cache", "qk_matmul"), "no")}),
        result("h", fault="KeyError: 'y'"),
        result("g", attention={"modules": 0, "quantized": [], "refused": {"modules": "unknown"}}),
    ],
}  # fmt: skip
ROWS = [
    ("a", "9 of 9", "–", "cache, Q·Kᵀ, P·V"),
    ("b", "9 of 13", "4 × a recipe changes no weight of Gate; 2 not called: dt_proj",
     "cache; Q·Kᵀ, P·V: no | way"),
    ("c", "–", "no model: ImportError: timm", "–"),
    ("d", "–", "fault: KeyError: 'x'", "–"),
    ("e", "9 of 9", "–", "none"),
    ("f", "9 of 9", "–", "no"),
    ("h", "9 of 9", "–", "fault: KeyError: 'y'"),
    ("g", "9 of 9", "–", "unknown"),
]  # fmt: skip


def test_what_is_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "recipe.md"
    document.write_text(f"before\n{family_table.BEGIN}\nold\n{family_table.END}\nafter\n")
    monkeypatch.setattr(family_table, "DOCUMENT", document)
    assert family_table.rows(RECORD) == ROWS
    assert family_table.write(RECORD)
    assert not family_table.write(RECORD)
    heading, rows = family_table.stored()
    assert rows == ROWS
    assert heading == (
        "2026-01-02, transformers 5.1, torch 2.9: 8 families, of which 7 run offline on tokens "
        "alone; of 5 of these every matrix is quantised, of 1 attention, too."
    )
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")


def test_the_command_shows_what_is_stored() -> None:
    found = CliRunner().invoke(app, ["families", "--only", "llama"])
    assert found.exit_code == 0
    assert "llama" in found.output
    assert "gpt2" not in found.output
    assert max(map(len, found.output.splitlines())) <= 80


def test_the_command_checks_and_says_what_is_wrong_by_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def fake(only: Any, **options: Any) -> dict[str, Any]:
        asked.append((list(only), options["jobs"]))
        return RECORD

    monkeypatch.setattr("plena_cosim.evaluate.families.run.run_families", fake)
    document = tmp_path / "recipe.md"
    document.write_text(f"{family_table.BEGIN}\n{family_table.END}\n")
    monkeypatch.setattr(family_table, "DOCUMENT", document)
    found = CliRunner().invoke(app, ["families", "--write", "--jobs", "2"])
    assert found.exit_code == 1  # a fault
    assert "renewed: " in found.output
    assert family_table.stored()[1] == ROWS
    found = CliRunner().invoke(app, ["families", "--check", "--only", "a", "--json"])
    assert json.loads(found.stdout) == RECORD
    assert asked == [([], 2), (["a"], 1)]


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--write", "--only", "llama"], "needs all families"), (["--json"], "needs --check")],
)
def test_options_that_do_not_go_together(options: list[str], message: str) -> None:
    found = CliRunner().invoke(app, ["families", *options])
    assert found.exit_code == 2
    assert message in found.output
