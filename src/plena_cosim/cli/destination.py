"""Callbacks of options that name a place to write: said at once, not after the measurement."""

from __future__ import annotations

from pathlib import Path

import typer

from plena_cosim.ground.destination import require_file, require_folder


def file_to_write(parameter: typer.CallbackParam, value: Path | None) -> Path | None:
    """Return the path of a file that can be written; see `require_file`."""
    if value is not None:
        require_file(value, given_as=parameter.opts[0])
    return value


def folder_to_write(parameter: typer.CallbackParam, value: Path | None) -> Path | None:
    """Return the path of a folder that can be written; see `require_folder`."""
    if value is not None:
        require_folder(value, given_as=parameter.opts[0])
    return value
