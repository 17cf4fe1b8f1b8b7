"""Every result says where it came from."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from plena_cosim.ground import record
from plena_cosim.ground.record import commit, environment, versions, write_record


def test_the_commit_is_that_of_the_checkout() -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if not head:
        pytest.skip("not a checkout")
    assert re.fullmatch(rf"{head}(-dirty)?", commit())


@pytest.mark.parametrize("why", ["no git", "no checkout"])
def test_outside_of_a_checkout_it_is_unknown(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        monkeypatch.setattr(record, "__file__", str(tmp_path / "record.py"))
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit() == "unknown"


def test_versions_say_what_is_not_installed() -> None:
    assert versions(["numpy", "no-such-package"]) == {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "no-such-package": "not installed",
    }


def test_the_environment_is_fit_for_json() -> None:
    found = environment(["numpy"])
    assert list(found) == ["commit", "versions", "command", "machine", "time"]
    assert found["command"] == sys.argv
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["time"])
    assert json.loads(json.dumps(found)) == found


def test_a_record_is_readable_json(tmp_path: Path) -> None:
    write_record(tmp_path / "new" / "record.json", {"a": "×"})
    assert (tmp_path / "new" / "record.json").read_text(encoding="utf-8") == '{\n "a": "×"\n}'
