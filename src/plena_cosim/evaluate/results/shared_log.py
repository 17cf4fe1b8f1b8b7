"""SharedLog: the samples of one run, measured by several processes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..processes import Processes
from .sample_log import SampleLog


class SharedLog(SampleLog):
    """A log of which each process keeps a file of its own until they come together.

    That of the main process is the file of the run; another one writes into `samples-1.jsonl`
    beside `samples.jsonl`. What a killed run leaves there is taken over by `take_over`.
    """

    def __init__(
        self, path: Path | None, processes: Processes, known: Mapping[str, Any] | None = None
    ) -> None:
        """Open the log of this process.

        Args:
            path: of the file of the run; None: samples are kept in memory alone.
            processes: that measure.
            known: what the main process knows; it reads that itself.

        Raises:
            TextSourceError: the file cannot be read or written, or holds something else.
        """
        whole = path
        if path is not None and not processes.main:
            path = of_rank(path, processes.rank)
        super().__init__(path)
        self._whole, self._processes = whole, processes
        self._known.update(known or {})
        self._new: dict[str, dict[str, Any]] = {}

    @property
    def share(self) -> tuple[int, int]:
        """Number of this process, and of how many."""
        return self._processes.rank, self._processes.count

    def add(self, sample: str, record: Mapping[str, Any]) -> None:
        """Write down what this process measured; see `SampleLog.add`."""
        super().add(sample, record)
        self._new[sample] = dict(record)

    def left(self, groups: Sequence[Sequence[str]]) -> list[Sequence[str]]:
        """Return the groups that are this process's share of what has not been measured."""
        rank, count = self.share
        return super().left(groups)[rank::count]

    def together(self, order: Sequence[str] = ()) -> None:
        """Wait for the others; afterwards each knows all samples, and the file of the run has them.

        Args:
            order: names in which the file is to be sorted.

        Raises:
            ProcessEndedError: one of the others has ended.
            TextSourceError: the disk is full.
        """
        rank, _ = self.share
        for number, found in enumerate(self._processes.gather(self._new)):
            for name, record in found.items():
                if number == rank or name in self._known:
                    continue
                if rank == 0:
                    super().add(name, record)
                else:
                    self._known[name] = record
        self._new = {}
        if rank == 0:
            self._sort(order)
            if self._whole is not None:
                for path in others_of(self._whole):
                    path.unlink(missing_ok=True)
        else:
            self.close()
            self._path = None


def of_rank(path: Path, rank: int) -> Path:
    """Return the file of one of several processes.

    Args:
        path: of the run's file.
        rank: number of the process.
    """
    return path.with_name(f"{path.stem}-{rank}{path.suffix}")


def others_of(path: Path) -> list[Path]:
    """Return the files that other processes have written beside that of the run.

    Args:
        path: of the run's file.
    """
    name = re.compile(rf"{re.escape(path.stem)}-\d+{re.escape(path.suffix)}")
    return sorted(each for each in path.parent.iterdir() if name.fullmatch(each.name))


def take_over(log: SampleLog, path: Path) -> None:
    """Move samples that other processes left into the log of the run.

    Args:
        log: of the run.
        path: of its file.

    Raises:
        TextSourceError: a file cannot be read, or holds something else.
    """
    for other in others_of(path):
        with SampleLog(other) as found:
            for name, record in found.items():
                if log.get(name) is None:
                    log.add(name, record)
        other.unlink()
