"""PlenaError: the root of every error that this project raises on purpose."""

from __future__ import annotations


class PlenaError(Exception):
    """Something that the project itself has to say; the message says what to do next.

    The command line and the ladder show it as one line, without a traceback. Each subclass is also
    the built-in error that it has always been (FormatError a ValueError, ToolchainError a
    RuntimeError …), so that callers may catch either; docs/errors.md lists them all.
    """
