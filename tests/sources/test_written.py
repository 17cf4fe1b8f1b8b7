"""What goes into the cache is whole or absent."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from plena_cosim.sources import TextSourceError
from plena_cosim.sources.written import written


def test_success_renames(tmp_path: Path) -> None:
    with written(tmp_path / "a" / "file") as scratch:
        scratch.write_text("x")
        assert not (tmp_path / "a" / "file").exists()
    assert (tmp_path / "a" / "file").read_text() == "x"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["file"]


def test_a_folder_is_renamed_as_a_whole(tmp_path: Path) -> None:
    with written(tmp_path / "folder") as scratch:
        scratch.mkdir()
        (scratch / "part").write_text("x")
    assert (tmp_path / "folder" / "part").read_text() == "x"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupt_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupted() -> None:
        with written(tmp_path / "file") as scratch:
            scratch.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    def fill() -> None:
        with written(tmp_path / "file"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(TextSourceError, match=r"cannot write .*file: No space left on device"):
        fill()
    assert list(tmp_path.iterdir()) == []
