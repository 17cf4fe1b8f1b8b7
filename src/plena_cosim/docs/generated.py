"""Parts of documents that are written from code, between two marker lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from plena_cosim.ground.destination import require_document
from plena_cosim.ground.write_whole import write_whole


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


def renew_files(files: Mapping[Path, str]) -> list[tuple[Path, bool]]:
    """Write files that are not what belongs in them; returns each and whether it was written."""
    found = []
    for path, text in files.items():
        changed = not path.is_file() or path.read_text(encoding="utf-8") != text
        if changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        found.append((path, changed))
    return found
