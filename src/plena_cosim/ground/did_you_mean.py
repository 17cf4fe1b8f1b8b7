"""The "Did you mean" of an error message."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable


def did_you_mean(given: str, known: Iterable[str], *, show: Callable[[str], str] = repr) -> str:
    """Return ". Did you mean 'x'?" for the nearest known name, or an empty string.

    Args:
        given: the name that is not known.
        known: those that are.
        show: how the name is written; in quotes unless told otherwise.

    Returns:
        The end of a message, with the full stop that closes what stands before it.

    >>> did_you_mean("weight_widht", ["weight_width", "bias_width"])
    ". Did you mean 'weight_width'?"
    >>> did_you_mean("fp_mull", ["fp_add", "fp_mul"], show=str)
    '. Did you mean fp_mul?'
    >>> did_you_mean("x", ["weight_width"])
    ''
    """
    match = difflib.get_close_matches(given, list(known), n=1)
    return f". Did you mean {show(match[0])}?" if match else ""
