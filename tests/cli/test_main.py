"""The command line: what it lists is the registry, and errors are one line and exit code 2."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from plena_cosim.cli import main as cli
from plena_cosim.golden import FORMATS
from plena_cosim.golden.ops import OPS

RUNNER = CliRunner()


def commands(group: Any, path: str = "plena") -> dict[str, Any]:
    """Return every command by its words."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        words = f"{path} {name}"
        inside = hasattr(command, "commands")
        found |= commands(command, words) if inside else {words: command}
    return found


COMMANDS = commands(typer.main.get_command(cli.app))


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_a_command_says_what_it_and_its_options_do(command: Any) -> None:
    assert command.help
    silent = [given.name for given in command.params if not getattr(given, "help", None)]
    assert silent == []


def test_formats_lists_every_named_format() -> None:
    result = RUNNER.invoke(cli.app, ["formats", "--markdown"])
    assert result.exit_code == 0
    assert all(f"| {name} |" in result.output for name in FORMATS)


def test_ops_json_lists_every_op_with_its_module() -> None:
    result = RUNNER.invoke(cli.app, ["ops", "--json"])
    listed = {entry["name"]: entry["module"] for entry in json.loads(result.output)}
    assert listed == {op.name: op.module for op in OPS.values()}


def test_doctor_json_has_a_remedy_for_all_that_is_missing() -> None:
    result = RUNNER.invoke(cli.app, ["doctor", "--json"])
    findings = json.loads(result.output)
    assert {"Python", "g++", "Verilator", "torch"} <= {finding["what"] for finding in findings}
    assert all(finding["mend"] for finding in findings if finding["ok"] is False)
    assert result.exit_code == int(any(finding["ok"] is False for finding in findings))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["eval", "ppl", "--quant-config", "absent.toml"],
            "FormatError: quantisation recipe absent.toml does not exist\n",
        ),
        (
            ["eval", "ppl", "--hardware", "absent.toml"],
            "FormatError: hardware config absent.toml does not exist\n",
        ),
    ],
)
def test_an_error_is_one_line_on_stderr(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["plena", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == message


def test_unknown_block_names_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    result = RUNNER.invoke(cli.app, ["sim", "--block", "fp_mull"])
    assert result.exit_code == 2
    assert "Did you mean 'fp_mul'?" in capfd.readouterr().err + result.output
