"""A ladder of tiny recipes, for tests."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from plena_cosim.evaluate.ladder.run import run_ladder

RECIPE = """
["model\\\\.layers\\\\.\\\\d+\\\\..*_proj"]
name = "mxint"
weight_block_size = 16
weight_width = {width}
data_in_block_size = 16
data_in_width = {width}
"""
MISSING = """
["nothing\\\\.like\\\\.this"]
name = "mxint"
weight_block_size = 16
weight_width = 4
"""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """A folder of recipes, a text, and where results go."""

    model: Path
    folder: Path
    text: Path
    out: Path

    def write(self, name: str, *, width: int = 4, text: str | None = None) -> None:
        """Write a recipe."""
        (self.folder / name).write_text(RECIPE.format(width=width) if text is None else text)

    def options(self, **changed: Any) -> dict[str, Any]:
        """Return the arguments of a run on 64 tokens."""
        given = {"model": str(self.model), "recipes": self.folder, "text": str(self.text)}
        return {**given, "limit": 64, "seqlen": 32, "out": self.out, "threads": 1, **changed}

    def run(self, **changed: Any) -> tuple[bool, str]:
        """Run it, and return whether it was complete and what it showed."""
        console = Console(file=io.StringIO(), width=100)
        complete = run_ladder(**self.options(**changed), console=console)
        return complete, console.file.getvalue()  # type: ignore[attr-defined]

    def record(self) -> dict[str, Any]:
        """Return what ladder.json holds."""
        found: dict[str, Any] = json.loads((self.out / "ladder.json").read_text())
        return found

    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the rows of ladder.json by step and numerics, in its order."""
        return {(row["step"], row["numerics"]): row for row in self.record()["rows"]}
