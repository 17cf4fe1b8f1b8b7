"""Downloads are pinned, verified, and whole or absent."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from plena_cosim.sources import TextSourceError
from plena_cosim.sources.wheels import Wheel, fetch

CONTENT = b"a wheel"
WHEEL = Wheel(
    requirement="some-package==1.2",
    filename="some_package-1.2-py3-none-any.whl",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size_mb=5,
)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch):
    """A package index in place of pip: what it serves, and how often it was asked."""

    class Index:
        content: bytes | None = CONTENT
        asked = 0

        def run(self, command, **_) -> subprocess.CompletedProcess[str]:
            self.asked += 1
            begin = command.index("-m")
            assert command[begin : begin + 3] == ["-m", "pip", "download"]
            assert command[-1] == WHEEL.requirement
            folder = Path(command[command.index("--dest") + 1])
            if self.content is None:
                error = "WARNING: retrying\nERROR: No matching distribution found\n"
                return subprocess.CompletedProcess(command, 1, "", error)
            (folder / WHEEL.filename).write_bytes(self.content)
            return subprocess.CompletedProcess(command, 0, "", "")

    server = Index()
    monkeypatch.setattr(subprocess, "run", server.run)
    return server


def test_a_wheel_is_downloaded_once(tmp_path: Path, index) -> None:
    path = fetch(WHEEL, tmp_path)
    assert path.read_bytes() == CONTENT
    assert fetch(WHEEL, tmp_path) == path
    assert index.asked == 1
    assert [p.name for p in path.parent.iterdir()] == [WHEEL.filename]


def test_a_cut_download_in_the_cache_is_replaced(tmp_path: Path, index) -> None:
    target = tmp_path / "wheels" / WHEEL.filename
    target.parent.mkdir()
    target.write_bytes(CONTENT[:3])
    assert fetch(WHEEL, tmp_path).read_bytes() == CONTENT


def test_another_file_under_the_same_name_is_refused(tmp_path: Path, index) -> None:
    index.content = b"something else"
    with pytest.raises(TextSourceError, match=r"sha256 .* expected .*; it was not kept"):
        fetch(WHEEL, tmp_path)
    assert list((tmp_path / "wheels").iterdir()) == []


def test_without_network_and_cache_one_clear_error(tmp_path: Path, index) -> None:
    index.content = None
    with pytest.raises(TextSourceError) as error:
        fetch(WHEEL, tmp_path)
    message = str(error.value)
    assert (
        "cannot download some-package==1.2 (5 MB) from the package index, and it is not" in message
    )
    assert "ERROR: No matching distribution found" in message
    assert f"put {WHEEL.filename} at {tmp_path / 'wheels' / WHEEL.filename}" in message
    assert list((tmp_path / "wheels").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, index) -> None:
    (tmp_path / "wheels").write_text("a file in the way")
    with pytest.raises(TextSourceError, match=r"cannot write into .*wheels"):
        fetch(WHEEL, tmp_path)
