"""AnswerLog: answers of a model to whole batches, kept on the disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from ..record import plain
from ..results.sample_log import SampleLog

_T = TypeVar("_T")


class AnswerLog:
    """Answers by what was asked in one batch, and by what the answers depend on.

    Batches are cut from all requests, not from those that are left: an evaluation that goes on asks
    the same batches, so that the rest of them is computed as it would have been.
    """

    def __init__(self, log: SampleLog, key: Mapping[str, Any]) -> None:
        """Keep answers in a log.

        Args:
            log: where they go; it may hold those of other keys.
            key: all that they depend on, besides what is asked.
        """
        self._log, self._key = log, json.dumps(plain(key), sort_keys=True, default=str)

    def of(self, kind: str, asked: Any, answer: Callable[[], list[Any]]) -> list[Any]:
        """Return the answers to a batch: those that are known, or new ones.

        Args:
            kind: of the requests.
            asked: what the batch holds, fit for JSON.
            answer: computes the answers.
        """
        whole = json.dumps([self._key, kind, asked], sort_keys=True, default=str)
        name = hashlib.sha256(whole.encode()).hexdigest()
        known = self._log.get(name)
        if known is None:
            known = {"kind": kind, "answers": answer()}
            self._log.add(name, known)
        return [_number(each) for each in known["answers"]]


def batch_number(kind: str, asked: Any) -> int:
    """Return a number that follows from what a batch holds, and from nothing else.

    Args:
        kind: of the requests.
        asked: what the batch holds, fit for JSON.
    """
    whole = json.dumps([kind, asked], sort_keys=True, default=str)
    return int.from_bytes(hashlib.sha256(whole.encode()).digest()[:4], "big")


def batched(values: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    """Give so many values at a time, the last ones perhaps fewer."""
    left = iter(values)
    while group := tuple(islice(left, size)):
        yield group


def _number(answer: Any) -> Any:
    """Return an answer as it was: an infinite likelihood is a word in the log."""
    if isinstance(answer, (list, tuple)):
        return float(answer[0]), *answer[1:]
    return answer
