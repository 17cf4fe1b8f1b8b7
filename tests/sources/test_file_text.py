"""Text files and JSON lines, and what is said about others."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.sources import TextSourceError
from plena_cosim.sources.file_text import file_text


def test_a_plain_text_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('one\n\n{"text": "two"}\n')
    assert file_text(str(path)) == 'one\n\n{"text": "two"}\n'


def test_json_lines_are_joined_by_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one\\nmore"}\n\n{"id": 3, "text": "zwei\\u2028ü"}\r\n{"text": ""}')
    assert file_text(str(path)) == "one\nmore\n\nzwei\u2028ü\n\n"


def test_a_relative_path_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("here")
    monkeypatch.chdir(tmp_path)
    assert file_text("a.txt") == "here"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a"', r"a\.jsonl:2: not a line of JSON: Expecting ',' delimiter"),
        ("[" * 100_000, r"a\.jsonl:2: not a line of JSON: maximum recursion depth"),
        ('{"page": "a", "id": 1}', r"a\.jsonl:2: needs an object whose \"text\" is a text, .*; got "
         r"an object with 'page', 'id'"),
        ('{"text": 3}', r"a\.jsonl:2: needs .*; got an object with 'text'"),
        ('"words"', r"a\.jsonl:2: needs .*; got str"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "good"}\n' + line + "\n")
    with pytest.raises(TextSourceError, match=message):
        file_text(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextSourceError, match=r"no\.txt': No such file or directory; give a UTF-8"):
        file_text(str(tmp_path / "no.txt"))
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(TextSourceError, match=r"folder\.txt': Is a directory"):
        file_text(str(tmp_path / "folder.txt"))


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TextSourceError, match=r"cannot read 'a\.parquet' as text: give a \.txt, or a"
    ):
        file_text("a.parquet")
