"""What a run of a model on blocks has to say when it cannot go on."""

from __future__ import annotations

from plena_cosim.ground.errors import PlenaError


class CosimError(PlenaError, ValueError):
    """A run is asked for that no machine or model can give."""


class CosimMismatchError(PlenaError, AssertionError):
    """RTL and exact torch differ; the message says where, and how to see it again."""
