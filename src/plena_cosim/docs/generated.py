"""Parts of documents that are written from code, between two marker lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plena_cosim.ground.destination import require_document


def between(text: str, begin: str, end: str, body: str) -> str:
    """Return `text` with `body` in place of what stands between two markers, on lines of its own.

    Args:
        text: of a document.
        begin, end: the markers, which stay; the first `begin`, and the first `end` after it.
        body: what comes between them.

    Args:
        text: of the document.
        begin: marker in front of the generated part.
        end: marker behind it.
        body: lines without a last line break.

    Raises:
        ValueError: a marker is missing.
    """
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        missing = end if found else begin
        raise ValueError(f"the document has lost its marker {missing!r}; put it back")
    return f"{before}{begin}\n{body}\n{end}{after}"


def renew(document: Path, renewed: Callable[[str], str]) -> bool:
    """Write a document anew where it is not what `renewed` makes of it; returns whether it was.

    Raises:
        DestinationError: there is none; see `require_document`.
    """
    require_document(document)
    text = document.read_text(encoding="utf-8")
    fresh = renewed(text)
    if fresh != text:
        document.write_text(fresh, encoding="utf-8")
    return fresh != text
