"""The examples of docs/evaluation.md, as a reader would type them, on a short demo model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from plena_cosim.evaluate.results.index import runs_under
from plena_cosim.ground.cache import cache_root
from plena_cosim.sources.demo_model import demo_model_folder

LAYERS = 3
"""Of the demo model's thirty: each command is the same, in a tenth of the time."""
ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "evaluation.md"


def examples() -> list[str]:
    """The commands of the blocks that a shell would take."""
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.S | re.M)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's cache in which the demo model ends after some layers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs = cache_root()
    whole = demo_model_folder(theirs)
    cache = tmp_path_factory.mktemp("cache")
    own = cache / theirs.name
    own.mkdir()
    (own / "wheels").symlink_to(theirs / "wheels")
    model = AutoModelForCausalLM.from_pretrained(whole)
    model.model.layers = model.model.layers[:LAYERS]
    model.config.num_hidden_layers = LAYERS
    model.config.layer_types = None
    model.save_pretrained(own / whole.name)
    AutoTokenizer.from_pretrained(whole).save_pretrained(own / whole.name)
    return cache


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, str]:
    """What each example says, one after the other, in a folder that has the recipes."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "configs").symlink_to(ROOT / "configs")
    commands = folder / "bin"
    commands.mkdir()
    (commands / "plena").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m plena_cosim "$@"\n')
    (commands / "plena").chmod(0o755)
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    given = os.environ | {"PATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    given["XDG_CACHE_HOME"] = str(cache)
    found = {}
    for line in examples():
        done = subprocess.run(
            line, shell=True, cwd=folder, env=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        found[line] = done.stdout
    runs = list(runs_under(folder / "results"))
    assert all((place / "report.html").exists() for place, _ in runs)
    assert {run.command for _, run in runs} == {
        "eval ppl",
        "eval lm",
        "eval phase",
        "eval attribute",
        "eval functions",
        "eval agent",
        "eval code",
    }
    return found


def test_every_command_of_the_document_has_an_example() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    named = set(re.findall(r"`(plena (?:eval|report) [a-z]+)", text))
    shown = {re.match(r"plena (?:eval|report) [a-z]+", line) for line in examples()}
    assert {found[0] for found in shown if found} >= named


def test_lines_fit_a_terminal(said: dict[str, str]) -> None:
    tables = [line for text in said.values() for line in text.splitlines() if line[:1] in "┏┃│┡└"]
    assert len(tables) > 40
    assert max(map(len, tables)) <= 80


def test_the_compared_figure_is_there(said: dict[str, str]) -> None:
    table = said["plena report compare results/w4a4"]
    assert "unquantised" in table
    assert "%" in table
