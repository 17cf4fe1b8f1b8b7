"""Method: what isolates a program."""

from __future__ import annotations

from enum import Enum


class Method(Enum):
    """What isolates a program; the first that works is taken."""

    NAMESPACES = "namespaces"
    """A root, a network and processes of its own; with a filter of the kernel's calls."""
    LANDLOCK = "landlock"
    """Files out of reach, one process, with a filter of the kernel's calls."""
    NONE = "none"
    """Nothing: limits of resources alone."""
