"""The page and the editors' files are those of the table."""

from __future__ import annotations

import json
import re

from plena_cosim.docs import isa_editors, isa_package, isa_table
from plena_cosim.golden.isa import get_revision, revisions


def test_the_page_is_fresh() -> None:
    text = isa_table.DOCUMENT.read_text(encoding="utf-8")
    assert isa_table.renewed(text) == text


def test_the_files_are_fresh() -> None:
    for path, text in {**isa_editors.files(), **isa_package.files()}.items():
        assert path.read_text(encoding="utf-8") == text, path


def test_editors_know_every_instruction() -> None:
    vim = isa_editors.vim()
    patterns = [part["match"] for part in isa_editors.grammar()["patterns"]]
    for revision in revisions():
        for name in get_revision(revision).operations:
            assert re.search(rf"\b{name}\b", vim)
            assert sum(bool(re.fullmatch(p, f" {name} ".strip())) for p in patterns) == 1
    package = json.loads((isa_editors.FOLDER / "vscode" / "package.json").read_text())
    for kind in ("languages", "grammars"):
        for given in package["contributes"][kind]:
            place = given.get("path") or given["configuration"]
            assert (isa_editors.FOLDER / "vscode" / place).is_file()
