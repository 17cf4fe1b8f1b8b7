"""Patterns of names with wildcards: which are one name, and which two have a name in common."""

from __future__ import annotations

import re
from functools import cache

_PART = re.compile(r"\*+|\[!?\]?[^\]]*\]|.", re.DOTALL)


def has_wildcards(pattern: str) -> bool:
    """Return whether a pattern may stand for more than one name."""
    return any(mark in pattern for mark in "*?[")


def meet(first: str, second: str) -> bool:
    """Return whether some name matches both of two patterns.

    Args:
        first, second: as `fnmatch` takes them. A set in brackets counts as any one character, so
            that the answer may be yes where no name does.

    >>> meet("*.k_proj", "model.layers.0.*"), meet("*.k_proj", "*.mlp.up_proj")
    (True, False)
    """
    one, other = _PART.findall(first), _PART.findall(second)

    @cache
    def rest(i: int, j: int) -> bool:
        if i == len(one) or j == len(other):
            return all(part[0] == "*" for part in (*one[i:], *other[j:]))
        if one[i][0] == "*" or other[j][0] == "*":
            return rest(i + 1, j) if one[i][0] == "*" and rest(i + 1, j) else _skip(i, j)
        same = one[i] == other[j] or "?" in (one[i], other[j])
        return (same or len(one[i]) > 1 or len(other[j]) > 1) and rest(i + 1, j + 1)

    def _skip(i: int, j: int) -> bool:
        """A star takes one more part of the other pattern, or ends."""
        if one[i][0] == "*" and rest(i, j + 1):
            return True
        return other[j][0] == "*" and (rest(i, j + 1) or rest(i + 1, j))

    return rest(0, 0)
