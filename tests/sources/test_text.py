"""Texts by name, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.sources import TextSourceError, load_text


def test_a_text_file_is_read(words: Path) -> None:
    assert load_text(str(words)).split()[0] == "w7"


def test_a_bad_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextSourceError, match=r"no\.txt': No such file or directory; give a UTF-8"):
        load_text(str(tmp_path / "no.txt"))
    with pytest.raises(TextSourceError, match=r"'ptb'\. Did you mean 'wikitext2'\?"):
        load_text("wikitext")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TextSourceError, match="binary' is not UTF-8"):
        load_text(str(tmp_path / "binary"))
