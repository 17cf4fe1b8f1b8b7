"""SampleLog: what has been measured of each sample, on the disk as soon as it is known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, ItemsView, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from plena_cosim.ground.write_whole import write_whole
from plena_cosim.sources import TextSourceError

from ..record import plain


class SampleLog:
    """A file of JSON lines, one a sample, each with its name under "sample".

    A line is handed to the operating system before the next sample is measured, so that a process
    that is killed leaves all that it has finished; a last line that is cut off is dropped when the
    file is opened again. Floats come back as they were, to the last bit.

    Attributes:
        beside: gives what is written down beside each new sample; None: nothing.
    """

    beside: Callable[[], Mapping[str, Any]] | None = None

    def __init__(self, path: Path | None = None) -> None:
        """Open a log and read what is there.

        Args:
            path: of the file; None: samples are kept in memory alone.

        Raises:
            TextSourceError: the file cannot be read or written, or holds something else.
        """
        self._path = path
        self._known: dict[str, dict[str, Any]] = {}
        self._file: TextIO | None = None
        if path is None:
            return
        try:
            if path.exists():
                self._read(path)
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TextSourceError(f"cannot write {path}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the next sample opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __len__(self) -> int:
        return len(self._known)

    def items(self) -> ItemsView[str, dict[str, Any]]:
        """Return names and records of all samples, in the order in which they came."""
        return self._known.items()

    def under(self, name: str) -> SampleLog:
        """Return a log of samples whose names begin with `name` in this one."""
        return _Part(self, name)

    def get(self, sample: str) -> dict[str, Any] | None:
        """Return what is known of a sample; None: nothing yet."""
        return self._known.get(sample)

    def add(self, sample: str, record: Mapping[str, Any]) -> None:
        """Write down what was measured of a sample.

        Args:
            sample: its name.
            record: values fit for JSON; infinite floats are written as text.

        Raises:
            TextSourceError: the disk is full.
        """
        if self.beside is not None:
            record = {**record, **self.beside()}
        self._known[sample] = dict(record)
        if self._path is None:
            return
        try:
            if self._file is None:
                self._file = self._path.open("a", encoding="utf-8")
            self._file.write(_line(sample, record))
            self._file.flush()
        except OSError as error:
            raise TextSourceError(f"cannot write {self._path}: {error.strerror}") from None

    def left(self, groups: Sequence[Sequence[str]]) -> list[Sequence[str]]:
        """Return the groups that are still to be measured here, at least in part.

        Args:
            groups: names of samples that are measured at once.
        """
        return [group for group in groups if any(self.get(name) is None for name in group)]

    def together(self, order: Sequence[str] = ()) -> None:
        """Wait for what other processes measure; this log has none.

        Args:
            order: names in which the file of several is to be sorted.
        """

    def _sort(self, order: Sequence[str]) -> None:
        """Bring samples into an order, those that it does not name behind the others."""
        names = dict.fromkeys([*(name for name in order if name in self._known), *self._known])
        if list(names) == list(self._known):
            return
        self._known = {name: self._known[name] for name in names}
        if self._path is None:
            return
        self.close()
        try:
            write_whole(self._path, "".join(_line(*each) for each in self._known.items()))
        except OSError as error:
            raise TextSourceError(f"cannot write {self._path}: {error.strerror}") from None

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        self._known = parse_samples(whole, path)
        if len(whole) < len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))


class _Part(SampleLog):
    """A part of a log."""

    def __init__(self, whole: SampleLog, name: str) -> None:
        super().__init__()
        self._whole, self._name = whole, name

    def get(self, sample: str) -> dict[str, Any] | None:
        return self._whole.get(f"{self._name} {sample}")

    def add(self, sample: str, record: Mapping[str, Any]) -> None:
        self._whole.add(f"{self._name} {sample}", record)


def read_samples(path: Path) -> dict[str, dict[str, Any]]:
    """Return the samples of a finished log by name, in their order.

    Raises:
        TextSourceError: the file cannot be read, or holds something else.
    """
    try:
        return parse_samples(path.read_bytes(), path)
    except OSError as error:
        raise TextSourceError(f"cannot read {path}: {error.strerror}") from None


def parse_samples(content: bytes, path: Path) -> dict[str, dict[str, Any]]:
    """Return samples by name.

    Args:
        content: whole lines of a log.
        path: for messages.

    Raises:
        TextSourceError: a line is no sample.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            record = json.loads(line)
            name = str(record.pop("sample"))
            found[name] = {key: _number(value) for key, value in record.items()}
        except (ValueError, KeyError, AttributeError, TypeError):
            raise TextSourceError(
                f"{path}, line {number}: not a sample of a run; remove the file, or give another "
                "--out"
            ) from None
    return found


def _line(sample: str, record: Mapping[str, Any]) -> str:
    """Return a sample as a line of the file."""
    whole = plain({"sample": sample, **record})
    return json.dumps(whole, ensure_ascii=False, allow_nan=False) + "\n"


def _number(value: Any) -> Any:
    """Return a float for the words that stand for one in JSON."""
    words = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
    return words.get(value, value) if isinstance(value, str) else value
