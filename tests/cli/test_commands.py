"""Commands whose module is imported when one of them is called."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from typer.main import get_group

from plena_cosim.cli.commands import MODULES


@pytest.mark.parametrize("module", MODULES)
def test_the_table_names_what_each_module_has(module: str) -> None:
    app = importlib.import_module(f"plena_cosim.cli.{module}").app
    assert tuple(get_group(app).commands) == MODULES[module]


def test_a_command_imports_no_other_module() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from plena_cosim.cli.main import app\n"
        "assert CliRunner().invoke(app, ['recipe', 'schema']).exit_code == 0\n"
        "print(*sorted(name for name in sys.modules if name.startswith('plena_cosim.cli.')))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {f"plena_cosim.cli.{name}" for name in MODULES} & set(ended.stdout.split()) == {
        "plena_cosim.cli.recipe"
    }


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_the_help_lists_every_command(words: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "plena_cosim", *words], capture_output=True, text=True, check=False
    )
    listed = [line.split()[1] for line in ended.stdout.splitlines() if line.startswith("│ ")]
    known = [name for names in MODULES.values() for name in names]
    assert [name for name in listed if name in known] == known
