"""`make quick` as a command: what has changed, what it says, and the deadline."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tools.quick import __main__ as quick
from tools.quick.choose import Choice, Item
from tools.quick.deadline import REASON

ROOT = Path(__file__).parents[3]


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of two commits with one changed, one new, one removed and one ignored file."""
    git(tmp_path, "init", "-b", "main")
    for name in ("a.py", "b.py", "gone.py"):
        (tmp_path / name).write_text("1\n")
    (tmp_path / ".gitignore").write_text("out/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    git(tmp_path, "checkout", "-b", "work")
    (tmp_path / "b.py").write_text("2\n")
    git(tmp_path, "commit", "-am", "two")
    (tmp_path / "a.py").write_text("2\n")
    (tmp_path / "new file.py").write_text("")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "c.py").write_text("")
    (tmp_path / "gone.py").unlink()
    return tmp_path


def test_changes_since_head(checkout: Path) -> None:
    assert quick.changed_files(checkout) == ["a.py", "gone.py", "new file.py"]


def test_changes_of_a_branch(checkout: Path) -> None:
    assert quick.changed_files(checkout, "main") == ["a.py", "b.py", "gone.py", "new file.py"]


def test_an_unknown_base_is_named(checkout: Path) -> None:
    with pytest.raises(SystemExit, match="git knows no 'mian'"):
        quick.changed_files(checkout, "mian")


def test_nothing_changed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quick, "changed_files", lambda *_: [])
    assert quick.main([]) == 0
    assert "nothing has changed since HEAD (BASE=main" in capsys.readouterr().out


def item(target: str, block: str | None = None) -> Item:
    return Item(target=target, tier=1, distance=1, seconds=3, why="1 import away", block=block)


def test_it_says_what_runs_and_what_not() -> None:
    choice = Choice(
        items=(item("tests/test_a.py"), item("tests/regression/test_vectors.py::x", "fp_add")),
        left_out=(item("tests/test_b.py"), item("tests/regression/test_vectors.py::y", "fp_sub")),
        unknown=(),
    )
    lines = quick.said(choice, ["golden/mx.py"])
    assert lines == [
        "quick: 1 of 2 test files that depend on golden/mx.py, nearest first; "
        "make test runs them all",
        "quick: 1 simulations of 1 of 2 blocks: fp_add; make sim runs all of them, and mutants",
        "     3.0 s  tests/test_a.py  (1 import away)",
    ]


def test_everything_runs_for_an_unknown_file() -> None:
    choice = Choice(items=(item("tests/test_a.py"),), left_out=(), unknown=("Makefile",))
    assert "depends on Makefile: all tests run" in quick.said(choice, ["Makefile"])[0]
    assert quick.every_test_command(jobs=2)[-2:] == ["--ignore", "tests/regression"]


@pytest.mark.parametrize(("load", "slower"), [(0.0, 1.0), (2.0, 2.0), (10.0, 6.0)])
def test_a_busy_machine_is_slower(
    monkeypatch: pytest.MonkeyPatch, load: float, slower: float
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert quick.slowdown(2) == slower


def test_little_runs_in_one_process() -> None:
    few = [item("tests/test_a.py"), item("tests/test_b.py")]
    command = quick.test_command(few, jobs=2, deadline=1.0)
    assert command is not None
    assert command[-3:] == ["--quick-deadline=1.0", "tests/test_a.py", "tests/test_b.py"]
    many = quick.test_command(few * 5, jobs=2, deadline=1.0)
    assert many is not None
    assert many[many.index("-n") + 1] == "2"
    assert quick.test_command([], jobs=2, deadline=1.0) is None


@pytest.mark.parametrize(
    ("changed", "lint", "types", "layers"),
    [
        ("golden/mx.py", True, True, True),
        ("tools/slowest.py", True, True, False),
        ("tests/test_readme.py", True, False, False),
        ("golden/is_gone.py", False, True, True),
        ("pyproject.toml", False, True, True),
        ("rtl/common/plena_round.sv", False, False, False),
    ],
)
def test_what_is_linted(changed: str, lint: bool, types: bool, layers: bool) -> None:
    assert bool(quick.lint_command([changed])) == lint
    assert bool(quick.type_command([changed])) == types
    assert bool(quick.layer_command([changed])) == layers


@pytest.mark.parametrize(("ahead", "word"), [(-1, "2 skipped"), (600, "2 passed")])
def test_no_test_begins_after_the_deadline(tmp_path: Path, ahead: int, word: str) -> None:
    (tmp_path / "test_x.py").write_text("def test_a(): pass\ndef test_b(): pass\n")
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-rs", "-p", "tools.quick.deadline"),
        *("-p", "no:cacheprovider", f"--quick-deadline={time.time() + ahead}", f"{tmp_path}"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert word in done.stdout
    assert (REASON in done.stdout) == (ahead < 0)
