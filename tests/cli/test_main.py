"""The command line: what it lists is the registry, and errors are one line and exit code 2."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from plena_cosim import __version__
from plena_cosim.cli import main as cli
from plena_cosim.golden import FORMATS
from plena_cosim.golden.ops import OPS
from plena_cosim.sim.verilate.process import heed_interrupts

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


WITH_RECIPES = {
    words: command
    for words, command in COMMANDS.items()
    if {"quant_config", "recipes"} & {given.name for given in command.params}
}


@pytest.mark.parametrize("command", WITH_RECIPES.values(), ids=list(WITH_RECIPES))
def test_a_command_that_reads_recipes_takes_a_device(command: Any) -> None:
    """A recipe may name a device that this machine has not."""
    assert "device" in {given.name for given in command.params}


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("inspect", "inspect.run_inspect"),
        ("search rotation", "rotation_search.run.run_search_rotation"),
        ("ladder", "ladder.run.run_ladder"),
        ("quantize --out new", "quantize.run_quantize"),
        ("eval ppl", "run_eval_ppl"),
    ],
)
def test_the_device_reaches_the_work(
    words: str, place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {}
    monkeypatch.setattr(f"plena_cosim.evaluate.{place}", lambda **options: given.update(options))
    recipe = [] if words == "ladder" else ["--quant-config", "r.toml"]
    RUNNER.invoke(cli.app, [*words.split(), *recipe, "--device", "cpu"])
    assert given["device"] == "cpu"


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


def run_main(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    """Run the command line; returns its exit code and what it complained."""
    monkeypatch.setattr(sys, "argv", ["plena", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code, capsys.readouterr().err


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and of every group of commands."""
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from leaves(inner, (*words, name))


COMMANDS = list(leaves(typer.main.get_command(cli.app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_a_short_help(words: tuple[str, ...]) -> None:
    result = RUNNER.invoke(cli.app, [*words, "-h"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_the_version_is_the_package_s() -> None:
    assert RUNNER.invoke(cli.app, ["--version"]).output == f"plena-cosim {__version__}\n"


def test_the_package_is_the_command() -> None:
    command = [sys.executable, "-m", "plena_cosim", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"plena-cosim {__version__}\n"


def options(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for word in words:
        command = command.commands[word]
    for parameter in command.params:
        if {"--seed", "--jobs", "--threads"} & set(parameter.opts):
            yield words, parameter.opts[0]


COUNTED = [pair for words in COMMANDS for pair in options(typer.main.get_command(cli.app), words)]


@pytest.mark.parametrize(("words", "option"), COUNTED)
def test_negative_numbers_are_refused(words: tuple[str, ...], option: str) -> None:
    result = RUNNER.invoke(cli.app, [*words, option, "-5"])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in " ".join(result.output.split())


@pytest.mark.parametrize(
    "arguments",
    [["waves"], ["synth"], ["sim-long"], ["sim"], ["coverage", "--rtl"]],
    ids=lambda words: words[0],
)
def test_a_format_of_another_kind_is_one_line(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*arguments, "--block", "fp_mul", "--fmt", "mxint4"]
    code, complaint = run_main(given, monkeypatch, capsys)
    assert code == 2
    assert complaint == "FormatError: fp_mul: fmt must be a Minifloat, got mxint4\n"


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["eval", "ppl"], "--json"),
        (["calib", "collect", "--task", "arc_easy"], "--out"),
        (["search", "rotation", "--quant-config", "absent.toml"], "--json"),
        (["search", "rotation", "--quant-config", "absent.toml"], "--out"),
        (["search", "rotation", "--quant-config", "absent.toml"], "--picture"),
        (["inspect", "--quant-config", "absent.toml"], "--json"),
        (["quantize", "--quant-config", "absent.toml"], "--out"),
        (["ladder"], "--out"),
        (["sim-long"], "--results"),
        (["waves", "--block", "fp_mul"], "--out"),
        (["coverage"], "--results"),
        (["demo"], "--out"),
    ],
)
def test_a_place_that_cannot_be_written_is_noticed_before_the_work(
    arguments: list[str],
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    given = [*arguments, option, str(tmp_path / "file" / "inside")]
    code, complaint = run_main(given, monkeypatch, capsys)
    assert code == 2
    assert complaint.startswith(f"DestinationError: {option} {tmp_path}")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("words", [["formats"], ["ops"], ["rooms"], ["recipe", "docs"]])
def test_an_installed_package_has_no_documents_to_renew(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in ("format_table", "op_table", "recipe_reference"):
        monkeypatch.setattr(f"plena_cosim.docs.{module}.DOCUMENT", tmp_path / "absent.md")
    monkeypatch.setattr("plena_cosim.docs.rooms.README", tmp_path / "absent.md")
    code, complaint = run_main([*words, "--write"], monkeypatch, capsys)
    assert code == 2
    assert complaint.startswith(f"DestinationError: there is no {tmp_path}/absent.md to renew")


def test_a_path_where_no_model_is_does_not_go_to_the_hub(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: Path
) -> None:
    for name in ("/no/such/dir", "./model", "../model", "results/a/b"):
        given = ["eval", "ppl", "--model", name, "--text", str(words)]
        code, complaint = run_main(given, monkeypatch, capsys)
        assert code == 2
        assert complaint.startswith(f"TextSourceError: model {name!r}: there is no such folder")


@pytest.mark.parametrize("arguments", [["formats"], ["ops", "--markdown"], ["recipe", "-h"]])
def test_a_terminal_without_unicode_is_no_traceback(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "plena_cosim", *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [(signal.SIGINT, 130, "plena: interrupted\n"), (signal.SIGTERM, 143, "plena: terminated\n")],
)
@pytest.mark.parametrize("command", ["quantize", "eval"])
def test_a_broken_off_command_says_so(
    number: signal.Signals, code: int, line: str, command: str, tmp_path: Path
) -> None:
    module = "evaluate.quantize" if command == "quantize" else "evaluate"
    arguments = {
        "quantize": ["quantize", "--quant-config", "x.toml", "--out", str(tmp_path / "out")],
        "eval": ["eval", "ppl"],
    }[command]
    program = (
        "import os, sys, time\n"
        f"import plena_cosim.{module} as work\n"
        "from plena_cosim.cli.main import main\n"
        "def wait(**_):\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    time.sleep(60)\n"
        f"work.{'run_quantize' if command == 'quantize' else 'run_eval_ppl'} = wait\n"
        f"sys.argv = ['plena', *{arguments!r}]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=heed_interrupts,
    )
    assert (done.returncode, done.stderr) == (code, line)
