"""`plena cosim image` and its `verify`, as a user types them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from plena_cosim.cli.main import app


@pytest.fixture
def words_of_image(job: Callable[..., Any], tmp_path: Path) -> list[str]:
    given = job()
    return [
        *("--model", given.model, "--quant-config", str(given.quant_config)),
        *("--machine", str(given.machine), "--text", str(given.text), "--tokens", "5"),
        *("--layers", "0", "--out", str(tmp_path / "image")),
    ]


def plena(*words: str) -> Any:
    return CliRunner().invoke(app, ["cosim", "image", *words], env={"COLUMNS": "80"})


def test_an_image_reads_back_and_is_that_of_the_model(
    words_of_image: list[str], tmp_path: Path
) -> None:
    made = plena(*words_of_image)
    assert made.exception is None, made.exception
    assert "weight" in made.output
    assert all(len(line) <= 80 for line in made.output.splitlines() if line.startswith(("┃", "│")))
    folder = tmp_path / "image"
    good = plena("verify", str(folder), "--model", words_of_image[1])
    assert good.exception is None, good.exception
    assert f"tensors equal, checksums and the codes of {words_of_image[1]}" in good.output
    raw = next(folder.rglob("*.bin"))
    codes = bytearray(raw.read_bytes())
    codes[0] ^= 1
    raw.write_bytes(codes)
    bad = plena("verify", str(folder))
    assert raw.name in str(bad.exception)


def test_an_image_is_not_written_over(words_of_image: list[str], tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    found = plena(*words_of_image)
    assert "exists; give another --out, or remove it" in str(found.exception)


def test_what_is_missing_is_said() -> None:
    found = plena("--model", "demo")
    assert found.exit_code == 2
    assert "--quant-config is missing; or give the command verify" in found.output
