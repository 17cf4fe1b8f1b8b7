"""The "Did you mean" of an error message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return ". Did you mean 'x'?" for the nearest known name, or an empty string.

    >>> did_you_mean("weight_widht", ["weight_width", "bias_width"])
    ". Did you mean 'weight_width'?"
    """
    match = difflib.get_close_matches(given, list(known), n=1)
    return f". Did you mean {match[0]!r}?" if match else ""
