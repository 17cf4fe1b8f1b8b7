"""`plena eval agent` through a real server of a tiny model."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from plena_cosim.evaluate.agent.run import run_eval_agent
from plena_cosim.evaluate.agent.solve import Bounds
from plena_cosim.evaluate.chat.asked import Place
from plena_cosim.evaluate.chat.client import Asking

SHIPPED = Path(__file__).parents[3] / "configs" / "agent" / "files_and_shell.jsonl"


def test_a_run(chat_model: Path, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=80)
    out = tmp_path / "out"
    record = run_eval_agent(
        tasks=SHIPPED,
        place=Place(serve=["--model", str(chat_model), "--threads", "1"]),
        asking=Asking(max_tokens=4),
        bounds=Bounds(max_steps=2),
        limit=2,
        out=out,
        console=console,
    )
    assert record["success"] == 0
    assert [(each["task"], each["steps"], each["tokens"]) for each in record["solved"]] == [
        ("rename", 2, 8),
        ("sum", 2, 8),
    ]
    lines = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert {each["ended"] for each in lines} == {"max steps"}
    assert "error: no tool was called: it was cut off" in (out / "report.html").read_text()
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "there is no new.txt" in " ".join(said.split())
    assert max(map(len, said.splitlines()[:-1])) <= 80
