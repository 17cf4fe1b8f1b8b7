"""Temporary folders are gone with the block, or with the next run after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plena_cosim.ground.scratch_folder import scratch_folder


def test_the_folder_is_gone_when_the_block_ends(tmp_path: Path) -> None:
    with scratch_folder("try", tmp_path) as folder:
        assert folder.is_dir()
        assert folder.name.startswith(f"plena-try-{os.getpid()}-")
        (folder / "file").write_text("")
    with pytest.raises(KeyboardInterrupt), scratch_folder("try", tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from plena_cosim.ground.scratch_folder import scratch_folder\n"
        f"with scratch_folder('try', Path({str(tmp_path)!r})) as folder:\n"
        "    (folder / 'large').write_text('')\n"
        "    print(flush=True)\n"
        "    sys.stdin.read()\n"
    )

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        return process

    with start() as killed, start() as alive:
        killed.kill()
        killed.wait()
        (tmp_path / "plena-try-mine").mkdir()
        (tmp_path / f"plena-other-{killed.pid}-x").mkdir()
        with scratch_folder("try", tmp_path) as folder:
            left = {path.name.rpartition("-")[0] for path in tmp_path.iterdir()}
            assert left == {
                f"plena-try-{os.getpid()}",
                f"plena-try-{alive.pid}",
                "plena-try",
                f"plena-other-{killed.pid}",
            }
            assert folder.is_dir()
        alive.kill()


def test_no_other_code_makes_temporary_folders() -> None:
    """So that none is left for good by kill -9."""
    root = Path(__file__).parents[2]
    homes = {"scratch_folder.py", "write_whole.py", "quantize.py"}
    makers = {
        path.name
        for folder in ("golden", "sim", "src/plena_cosim", "tools")
        for path in (root / folder).rglob("*.py")
        if any(word in path.read_text() for word in ("TemporaryDirectory(", "mkdtemp("))
    }
    assert makers == homes
