"""What imports and the shortest commands take, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from plena_cosim.ground.progress import Progress

from .effort import Effort
from .part import Goal, Part, Row
from .timing import Spread

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "configs" / "quant" / "llama_w4a4_mxint.toml"
IMPORTS = (
    ("import plena_cosim.golden", "pass", "import plena_cosim.golden", 0.1),
    (
        "golden.quantize beyond numpy's own import",
        "import numpy",
        "from plena_cosim.golden import quantize",
        None,
    ),
    (
        "import plena_cosim.fakequant beyond torch's own import",
        "import torch",
        "import plena_cosim.fakequant",
        0.1,
    ),
    (
        "passes.quantize_module_transform_pass beyond torch's own import",
        "import torch",
        "from plena_cosim.passes import quantize_module_transform_pass",
        0.4,
    ),
    ("import torch", "pass", "import torch", None),
)
"""What is said of it, what is imported before, what is timed, goal in seconds."""

COMMANDS = (
    ("plena --help", ("--help",), 0.2),
    ("plena recipe check", ("recipe", "check", str(RECIPE)), 0.4),
)
"""What is said of it, arguments, goal in seconds."""


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return a row for each import and command; toys leave out what imports torch."""
    imports = [each for each in IMPORTS if effort.full or "torch" not in each[0]]
    found: dict[str, list[float]] = {}
    for done in range(effort.rounds):
        progress("imports", done, effort.rounds)
        for what, before, timed, _ in imports:
            found.setdefault(what, []).append(_import_seconds(before, timed))
        for what, arguments, _ in COMMANDS:
            found.setdefault(what, []).append(_command_seconds(arguments))
    progress("imports", effort.rounds, effort.rounds)
    goals = {what: goal for what, _, _, goal in imports}
    goals |= {what: goal for what, _, goal in COMMANDS}
    return [
        Row(
            what=what,
            unit="s",
            figure=Spread.of(seconds),
            goal=None if goals[what] is None else Goal(at_most=goals[what]),
        )
        for what, seconds in found.items()
    ]


def _import_seconds(before: str, timed: str) -> float:
    """Return what an import takes in a new process, after others."""
    program = (
        f"{before}\nimport time\nbegan = time.perf_counter()\n{timed}\n"
        "print(time.perf_counter() - began)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=_env()
    )
    return float(done.stdout)


def _command_seconds(arguments: tuple[str, ...]) -> float:
    """Return what a command takes, from its start to its end."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "plena_cosim", *arguments]
    subprocess.run(command, check=True, capture_output=True, env=_env())
    return time.perf_counter() - began


def _env() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "100"}


PART = Part(
    name="imports",
    about="Each in a process of its own; a command from its start to its end.",
    minutes=0.7,
    measure=measure,
)
