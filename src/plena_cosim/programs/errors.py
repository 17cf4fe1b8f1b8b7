"""What the programs of a model have to say when there are none."""

from __future__ import annotations

from plena_cosim.ground.errors import PlenaError


class ProgramError(PlenaError, ValueError):
    """A model, or a part of one, that cannot be written as a program."""
