"""The command `plena`: thin; every command calls one function of the package."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import MutableMapping
from types import FrameType
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from plena_cosim import __version__
from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.launched import launched

from .commands import Commands

_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM, which ends us as Ctrl-C does: what is half-written goes, children end."""


class _Commands(TyperGroup):
    """All commands; an interrupt ends each of them with one line."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = cast("MutableMapping[str, Any]", Commands())  # typer only reads it

    def invoke(self, ctx: Any) -> Any:
        """Run a command; typer itself would end without a word."""
        try:
            return super().invoke(ctx)
        except _TerminatedError:
            _say("plena: terminated")
            raise typer.Exit(_TERMINATED) from None
        except KeyboardInterrupt:
            _say("plena: interrupted")
            raise typer.Exit(_INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Bit-exact co-simulation of PLENA: one definition in NumPy, torch and gates.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"plena-cosim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit code 2."""
    _write_any_character()
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except Exception as error:
        extra = isinstance(error, ImportError) and "plena-cosim[" in str(error)
        if not isinstance(error, PlenaError) and not extra:
            if _first():
                raise
        else:
            _say(f"{type(error).__name__}: {error}")
        raise SystemExit(2) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(line: str) -> None:
    """Print how we end; of several processes the first to end says it for all."""
    if _first():
        typer.echo(line, err=True)


def _first() -> bool:
    """Return whether no other process that a launcher started has ended before."""
    if launched().count == 1:
        return True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # we are at the end already
    from ..evaluate.processes import first_to_end

    return first_to_end()


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _TerminatedError


def _write_any_character() -> None:
    """Let a terminal that cannot show × or → show ? there; also in the processes we start."""
    for stream in (sys.stdout, sys.stderr):
        narrow = not stream.encoding.lower().replace("-", "").startswith("utf")
        if narrow and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
            os.environ["PYTHONIOENCODING"] = f"{stream.encoding}:replace"
