"""The names that a recipe can give to calibration text."""

from __future__ import annotations

HUB_NAMES = ("wikitext2", "c4", "ptb")
"""Texts on the Hugging Face hub; `hub_text.HUB` says where."""

FILE, TOKENS = "file:", "tokens:"
"""What stands before the path of a text, and of a file of tokens."""

ALLOWED = f"{', '.join(map(repr, HUB_NAMES))}, 'demo', 'file:PATH' or 'tokens:PATH'"


def is_dataset_name(given: str) -> bool:
    """Return whether `given` names a calibration text.

    >>> is_dataset_name("c4"), is_dataset_name("file:notes.txt"), is_dataset_name("file:")
    (True, True, False)
    """
    paths = (given.removeprefix(start) for start in (FILE, TOKENS) if given.startswith(start))
    return given in (*HUB_NAMES, "demo") or any(paths)
