"""Files and folders are there whole or not at all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from plena_cosim.ground.write_whole import remove_scratch, scratch_of, whole, write_whole

ROOT = Path(__file__).parents[2]
NO_PROCESS = 2**22 + 1
"""Above the largest number that Linux gives a process."""


@pytest.mark.parametrize(("content", "bits"), [("ä\n", b"\xc3\xa4\n"), (b"\0\xff", b"\0\xff")])
def test_text_and_bytes_are_written_as_they_are(
    tmp_path: Path, content: str | bytes, bits: bytes
) -> None:
    path = tmp_path / "new" / "folder" / "file"
    write_whole(path, content)
    assert path.read_bytes() == bits
    assert list(path.parent.iterdir()) == [path]


def test_a_file_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_whole(path, "old")
    with whole(path) as scratch:
        assert scratch.name == path.name  # writers look at the suffix
        scratch.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_file_has_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    write_whole(tmp_path / "file", "")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_folder_is_renamed_as_a_whole_and_never_over_another(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with whole(tmp_path / "folder") as scratch:
            scratch.mkdir()
            (scratch / "part").write_text(content)
    assert (tmp_path / "folder" / "part").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")

    def interrupted() -> None:
        with whole(path) as scratch:
            scratch.write_text("ne")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, honest = tmp_path / "file", os.fsync
    synced: list[bool] = []

    def watched(file: int) -> None:
        synced.append(path.exists())
        honest(file)

    monkeypatch.setattr(os, "fsync", watched)
    write_whole(path, "x")
    assert synced == [False]


def test_long_names_have_room(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250)
    write_whole(path, "x")
    assert path.read_text() == "x"


def test_a_folder_that_is_a_file_is_an_os_error(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "in the way")
    with pytest.raises(OSError, match="file"):
        write_whole(tmp_path / "file" / "inside", "x")


def _write_for_ever(path: Path) -> None:
    with whole(path) as scratch:
        scratch.write_text("half")
        time.sleep(60)


def test_what_a_killed_process_leaves_is_known_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "a[b].json"
    child = multiprocessing.get_context("spawn").Process(target=_write_for_ever, args=(path,))
    child.start()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".*.tmp/*")):
        assert child.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    remove_scratch(tmp_path)  # it runs: its scratch stays
    assert len(scratch_of(path)) == 1
    assert scratch_of(tmp_path / "a.json") == []
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert not path.exists()
    remove_scratch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_scratch_is_removed(tmp_path: Path) -> None:
    mine = tmp_path / f".x.{os.getpid()}.r.tmp"
    gone = tmp_path / f".x.{NO_PROCESS}.r.tmp"
    for path in (mine, gone, tmp_path / ".tmp", tmp_path / ".x.tmp", tmp_path / "x.1.r.tmp"):
        path.mkdir()
    remove_scratch(tmp_path)
    assert not gone.exists()
    assert len(list(tmp_path.iterdir())) == 4


def test_nobody_else_puts_files_in_place() -> None:
    """One place knows how: no fsync and no renaming of scratch files anywhere else."""
    allowed = {"write_whole.py", "quantize.py"}  # which swaps a folder that is there
    for path in (path for top in ("golden", "sim", "src") for path in (ROOT / top).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for word in ("fsync", "mkdtemp", '.tmp"'):
            assert word not in text or path.name in allowed, f"{path} writes a scratch file itself"
