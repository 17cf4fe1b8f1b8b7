"""Processes: several of them at work on one command, and what they tell each other.

They meet in the launcher's key-value store. No collective operation of torch is used: who waits can
be interrupted, sees that another one has ended, and needs no backend for any device.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

from rich.console import Console
from torch.distributed.rendezvous import rendezvous

from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.launched import Launched, launched

_ENDED = "plena ended"
_PIECE = 1 << 20
"""Bytes of a value under one key: the store takes 8 MiB."""
_PAUSE = 0.05


class ProcessEndedError(PlenaError, RuntimeError):
    """Another process of the same command has ended before its work was done."""


class Processes:
    """The processes of one command, seen by one of them.

    All of them tell and gather in the same order.
    """

    _turns: ClassVar[Iterator[int]] = itertools.count()
    """One sequence for all runs of a process: a key of the store is used once."""

    def __init__(self, place: Launched | None = None) -> None:
        """Join the others.

        Args:
            place: which of them this is; None: as the launcher says.

        Raises:
            ProcessEndedError: the launcher cannot be reached.
        """
        self._place = launched() if place is None else place
        self._store: Any = _store() if self.count > 1 else None

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return self._place.rank

    @property
    def count(self) -> int:
        """How many there are."""
        return self._place.count

    @property
    def main(self) -> bool:
        """Whether this one prints and writes results."""
        return self._place.main

    def console(self, console: Console | None) -> Console:
        """Return where this process prints: nowhere, if it is not the main one.

        Args:
            console: of the main process; None: a new one.
        """
        if self.main:
            return console or Console()
        return Console(quiet=True)

    def told(self, value: Any) -> Any:
        """Return what the main process gives.

        Args:
            value: fit for JSON; that of other processes does not count.

        Raises:
            ProcessEndedError: the main process has ended.
        """
        if self.count == 1:
            return value
        name = f"plena {next(self._turns)}"
        if self.main:
            self._put(name, value)
            return value
        return self._take(name)

    def gather(self, value: Any) -> list[Any]:
        """Return what all give, in the order of their numbers.

        Args:
            value: fit for JSON.

        Raises:
            ProcessEndedError: one of them has ended.
        """
        if self.count == 1:
            return [value]
        name = f"plena {next(self._turns)} of"
        self._put(f"{name} {self.rank}", value)
        return [
            value if rank == self.rank else self._take(f"{name} {rank}")
            for rank in range(self.count)
        ]

    def _put(self, name: str, value: Any) -> None:
        content = json.dumps(value).encode()
        pieces = [content[begin : begin + _PIECE] for begin in range(0, len(content), _PIECE)]
        try:
            for number, piece in enumerate(pieces):
                self._store.set(f"{name}.{number}", piece)
            self._store.set(name, str(len(pieces)))
        except RuntimeError as error:
            raise _gone(error) from None

    def _take(self, name: str) -> Any:
        try:
            while not self._store.check([name]):
                if self._store.check([_ENDED]):
                    raise ProcessEndedError("another process of this command has ended")
                time.sleep(_PAUSE)
            pieces = [self._store.get(f"{name}.{k}") for k in range(int(self._store.get(name)))]
        except ProcessEndedError:
            raise
        except RuntimeError as error:
            raise _gone(error) from None
        return json.loads(b"".join(pieces))


def first_to_end() -> bool:
    """Return whether no other process has ended before this one, by an error or a signal.

    Whoever asks has ended, too: the others stop waiting for it. What went wrong is said by the
    first alone.
    """
    if launched().count == 1:
        return True
    try:
        return bool(_store().add(_ENDED, 1) == 1)
    except PlenaError:
        return launched().main


def _store() -> Any:
    """Return the launcher's store."""
    try:
        store, _, _ = next(rendezvous("env://", timeout=timedelta(seconds=20)))
    except (RuntimeError, ValueError) as error:
        raise _gone(error) from None
    return store


def _gone(error: Exception) -> ProcessEndedError:
    reason = (str(error).splitlines() or [""])[0]
    return ProcessEndedError(
        f"cannot reach the other processes of this command ({reason}); start all of them by "
        "accelerate launch or torchrun"
    )
