"""Seconds of test files, read from what pytest writes itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tools.durations import Timed, file_seconds, known_seconds, read_run, remember
from tools.slowest import main, slowest_table

TESTS = """
import time, pytest

@pytest.mark.parametrize("n", [0, 5])
def test_sleeps(n):
    time.sleep(n / 100)

class TestClass:
    def test_in_a_class(self):
        pass
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The XML of a small run of pytest."""
    tmp_path = tmp_path_factory.mktemp("run")
    folder = tmp_path / "tests" / "deep"
    folder.mkdir(parents=True)
    (folder / "test_one.py").write_text(TESTS)
    (folder / "test_two.py").write_text(
        "import pytest\ndef test_ran(): pass\n@pytest.mark.skip\ndef test_not(): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "--junitxml=run.xml", "-p", "no:cacheprovider"]
    subprocess.run(
        [*command, "--import-mode=importlib", "--rootdir=."],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    return tmp_path / "run.xml"


def test_a_run_is_read(run: Path) -> None:
    tests = {test.name: test for test in read_run(run)}
    assert {test.file for test in tests.values()} == {
        "tests/deep/test_one.py",
        "tests/deep/test_two.py",
    }
    assert tests["test_sleeps[5]"].seconds >= 0.05
    assert tests["test_not"].skipped
    assert not tests["test_in_a_class"].skipped


def test_a_file_with_skipped_tests_has_no_seconds(run: Path) -> None:
    seconds = file_seconds(read_run(run))
    assert list(seconds) == ["tests/deep/test_one.py"]
    assert seconds["tests/deep/test_one.py"] >= 0.05


def test_the_latest_run_counts(run: Path, tmp_path: Path) -> None:
    record = tmp_path / "results" / "durations.json"
    assert known_seconds(last_run=tmp_path / "none.xml", record=record) == {}
    remember({"tests/deep/test_one.py": 7.0, "tests/a.py": 1.0}, last_run=run, record=record)
    known = known_seconds(last_run=run, record=record)
    assert known == {"tests/deep/test_one.py": 7.0, "tests/a.py": 1.0}
    os.utime(record, (0, 0))  # a newer `make test`
    assert 0.05 <= known_seconds(last_run=run, record=record)["tests/deep/test_one.py"] < 7


def test_the_slowest_come_first_with_their_share() -> None:
    names = ["a[x]", "b[x]", "c"]
    run = [
        Timed(file="tests/test_x.py", name=name, seconds=seconds, skipped=False)
        for name, seconds in zip(names, (1.0, 6.0, 3.0), strict=True)
    ]
    table = slowest_table(run, count=2)
    assert table.title == "2 of 3 tests take 9.0 of 10.0 s (90.0%)"
    assert list(table.columns[0].cells) == ["6.0", "3.0"]
    assert list(table.columns[1].cells) == ["60.0%", "30.0%"]
    assert list(table.columns[2].cells) == [r"test_x.py::b\[x]", "test_x.py::c"]


def test_without_a_run_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tmp_path / "junit.xml") == 1
    assert "run `make test`" in capsys.readouterr().out
