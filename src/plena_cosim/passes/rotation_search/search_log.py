"""SearchLog: the file in which a rotation search notes each perplexity once it is measured."""

from __future__ import annotations

import json
import math
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from plena_cosim.golden import FormatError
from plena_cosim.ground.write_whole import write_whole

from .result import SearchRound

_VERSION = 1
_OTHER = {
    "recipe": "another recipe",
    "model": "another model, or other weights",
    "tokens": "other tokens",
    "code": "other code",
}


class _Part(BaseModel):
    # infinity and NaN are texts in JSON, which has no numbers for them
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings", defer_build=True)


class _Round(_Part):
    place: str
    tried: dict[str, float] = {}
    over: bool = False
    winner: str | None = None


class _State(_Part):
    version: int = _VERSION
    identity: dict[str, str]
    complete: bool = False
    seconds: float = 0.0
    baseline: float | None = None
    rounds: list[_Round] = []
    left_out: dict[str, str] = {}

    @model_validator(mode="after")
    def _can_have_happened(self) -> _State:
        over = [each.over for each in self.rounds]
        known = all(
            each.tried and (each.winner is None or (each.over and each.winner in each.tried))
            for each in self.rounds
        )
        begun = not over or self.baseline is not None
        whole = bool(over) and all(over) if self.complete else all(over[:-1])
        if not (known and begun and whole):
            raise ValueError("its rounds cannot have happened like that")
        return self


class SearchLog:
    """What has been measured and decided, in memory and in a file.

    Args:
        path: of the file; None: there is none.
        identity: hashes of all that decisions depend on, by part.
        read: take over what the file holds, if it is about the same.

    Attributes:
        begun: how the search begins, and why.
    """

    def __init__(self, path: Path | None, identity: dict[str, str], *, read: bool) -> None:
        self.path, self.identity = path, identity
        self.state = _State(identity=identity)
        self.begun = self._take() if read else "anew: cache_winners = false"

    @property
    def complete(self) -> bool:
        """Whether the search has been finished."""
        return self.state.complete

    @property
    def seconds(self) -> float:
        """Time spent on measuring, in all runs."""
        return self.state.seconds

    @property
    def baseline(self) -> float | None:
        """Perplexity before the first round, None: not measured yet."""
        return self.state.baseline

    @property
    def rounds(self) -> tuple[SearchRound, ...]:
        """The rounds that are over."""
        before = math.nan if self.baseline is None else self.baseline
        found: list[SearchRound] = []
        for each in self.state.rounds:
            if each.over:
                tried = dict(each.tried)
                found.append(
                    SearchRound(place=each.place, before=before, tried=tried, winner=each.winner)
                )
                before = found[-1].after
        return tuple(found)

    @property
    def left_out(self) -> dict[str, str]:
        """Why matmuls were not tried, once the search is complete."""
        return dict(self.state.left_out)

    def measured(self, index: int, place: str) -> dict[str, float]:
        """Return what a round has measured already, by candidate.

        Args:
            index: of the round, from 0.
            place: where it looks; a round of another place has measured nothing.
        """
        rounds = self.state.rounds
        same = index < len(rounds) and rounds[index].place == place
        return dict(rounds[index].tried) if same else {}

    def note_baseline(self, perplexity: float, seconds: float) -> None:
        """Note the perplexity before the first round.

        Args:
            perplexity: without any candidate.
            seconds: that measuring it took.
        """
        self.state.baseline = perplexity
        self._save(seconds)

    def note(self, index: int, place: str, name: str, perplexity: float, seconds: float) -> None:
        """Note a candidate of a round, in the file at once.

        Args:
            index: of the round, from 0.
            place: where it looks.
            name: of the candidate.
            perplexity: with it.
            seconds: that measuring it took.

        Raises:
            FormatError: the file cannot be written.
        """
        rounds = self.state.rounds
        if not self.measured(index, place):
            rounds[index:] = [_Round(place=place)]
        rounds[index].tried[name] = perplexity
        self._save(seconds)

    def decide(self, index: int, winner: str | None) -> None:
        """Note how a round ends.

        Args:
            index: of the round, from 0.
            winner: the candidate that is kept; None for none.
        """
        self.state.rounds[index].over, self.state.rounds[index].winner = True, winner
        self._save()

    def finish(self, left_out: dict[str, str]) -> None:
        """Note that the search is over; `left_out` says why by the names of what was not tried."""
        self.state.complete, self.state.left_out = True, left_out
        self._save()

    def restart(self, why: str) -> None:
        """Forget all that was read."""
        self.state, self.begun = _State(identity=self.identity), f"anew: {why}"

    def _take(self) -> str:
        """Take over what the file holds if it is about the same; return how the search begins."""
        if self.path is None:
            return "anew: without cache_path nothing is kept"
        try:
            read = json.loads(self.path.read_bytes())
            if isinstance(read, dict) and read.get("version") != _VERSION:
                version = read.get("version")
                return f"anew: {self.path} is of version {version}, and this is {_VERSION}"
            found = _State.model_validate(read)
        except FileNotFoundError:
            return f"anew: there is no {self.path} yet"
        except OSError as error:
            raise FormatError(f"cannot read {self.path}: {error.strerror}") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            return f"anew: {self.path} is damaged: {' '.join((place, first['msg'])).strip()}"
        except ValueError as error:
            return f"anew: {self.path} is damaged: {error}"
        other = [
            _OTHER[p] for p, digest in self.identity.items() if found.identity.get(p) != digest
        ]
        if other:
            return f"anew: {self.path} is about {' and '.join(other)}"
        self.state = found
        if self.complete:
            return f"finished before: {self.path}"
        count = sum(len(each.tried) for each in found.rounds)
        return f"going on: {self.path} holds {count} measured candidates"

    def _save(self, seconds: float = 0.0) -> None:
        self.state.seconds += seconds
        if self.path is None:
            return
        try:
            write_whole(self.path, self.state.model_dump_json(indent=1))
        except OSError as error:
            raise FormatError(f"cannot write {self.path}: {error.strerror}") from None
