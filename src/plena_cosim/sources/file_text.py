"""Calibration text in a file: plain, or JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

from .errors import TextSourceError
from .text import load_text


def file_text(path: str) -> str:
    """Return the text of a UTF-8 file: all of a .txt, the texts of a .jsonl between blank lines.

    Args:
        path: relative ones start at the working directory.

    Raises:
        TextSourceError: there is no such file, it is neither, or a line is no object
            with "text".
    """
    ending = Path(path).suffix
    if ending not in (".txt", ".jsonl"):
        raise TextSourceError(
            f"cannot read {path!r} as text: give a .txt, or a .jsonl with one object a line whose "
            '"text" is the text'
        )
    content = load_text(str(Path(path)))
    if ending == ".txt":
        return content
    lines = enumerate(content.split("\n"), start=1)
    return "\n\n".join(_text_of(line, f"{path}:{number}") for number, line in lines if line.strip())


def _text_of(line: str, where: str) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TextSourceError(f"{where}: not a line of JSON: {error}") from None
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        known = f"an object with {', '.join(map(repr, record))}" if isinstance(record, dict) else ""
        raise TextSourceError(
            f'{where}: needs an object whose "text" is a text, such as {{"text": "words"}}; got '
            f"{known or type(record).__name__}"
        )
    return text
