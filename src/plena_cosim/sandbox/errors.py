"""The one error of the sandbox."""

from __future__ import annotations

from plena_cosim.ground.errors import PlenaError


class SandboxError(PlenaError, RuntimeError):
    """A program that cannot be locked in, or not be started; the message says what to do."""
