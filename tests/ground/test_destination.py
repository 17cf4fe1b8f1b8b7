"""Places that cannot be written are named before the work, and nothing is left of the look."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.ground.destination import (
    DestinationError,
    require_document,
    require_file,
    require_folder,
)


def test_places_that_can_be_written_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    for path in (tmp_path / "new.json", tmp_path / "old.json", tmp_path / "a" / "b" / "new.json"):
        require_file(path, given_as="--json")
    for path in (tmp_path, tmp_path / "a" / "b"):
        require_folder(path, given_as="--out")
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]


def test_each_fault_has_its_words(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DestinationError, match=r"--json .* is a folder; give the name of a file"):
        require_file(tmp_path, given_as="--json")
    with pytest.raises(DestinationError, match=r"--json .*/x\.json: .*file is a file, not a fold"):
        require_file(file / "x.json", given_as="--json")
    with pytest.raises(DestinationError, match=r"--out .*file is a file, not a folder"):
        require_folder(file, given_as="--out")
    with pytest.raises(DestinationError, match=r"--json .*: cannot write into /proc \("):
        require_file(Path("/proc/nowhere/x.json"), given_as="--json")
    with pytest.raises(DestinationError, match=r"no .*ops\.md to renew; --write works in a check"):
        require_document(tmp_path / "ops.md")
