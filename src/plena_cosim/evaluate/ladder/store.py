"""ladder.json: rows that are kept from run to run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from plena_cosim.ground.errors import PlenaError
from plena_cosim.sources import TextSourceError

from ..record import write_json
from .row import Row

WHAT = "plena ladder"
VERSION = 1


class LadderFile(BaseModel):
    """What a run reads of an earlier one's ladder.json.

    Attributes:
        what, version: say that it is one.
        model, text, limit, seqlen: of the last run, as they were given.
        rows: those of the last run, with its settings.
        earlier: rows that were measured with other settings, or are of steps it did not show.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    version: int
    model: str = ""
    text: str = ""
    limit: int | None = None
    seqlen: int = 0
    rows: list[Row]
    earlier: list[Row]


def read_rows(path: Path) -> tuple[list[Row], str | None]:
    """Return the rows of a ladder.json, and a line that says what was wrong with it, if so.

    A file that is broken, or is not a ladder's, is renamed and so out of the way.
    """
    try:
        found = _load(path)
    except FileNotFoundError:
        return [], None
    except _ForeignError as error:
        aside = _set_aside(path)
        return [], f"{error}: set aside as {aside.name}"
    return [*found.rows, *found.earlier], None


def read_shown(path: Path) -> LadderFile:
    """Return what the last run showed.

    Raises:
        TextSourceError: there is no such file, or it is not a ladder's.
    """
    try:
        return _load(path)
    except FileNotFoundError:
        raise TextSourceError(f"there is no {path}; run plena ladder first") from None
    except _ForeignError as error:
        raise TextSourceError(f"{error}; run plena ladder again") from None


def write_rows(
    path: Path, head: dict[str, Any], rows: Sequence[dict[str, Any]], earlier: Sequence[Row]
) -> None:
    """Write ladder.json whole: what all rows share, this run's rows, and the earlier ones.

    Args:
        path: of ladder.json.
        head: what all rows share.
        rows: this run's, fit for JSON.
        earlier: those of earlier runs that stay.
    """
    record = {"what": WHAT, "version": VERSION, **head, "rows": list(rows)}
    write_json(path, record | {"earlier": [row.model_dump() for row in earlier]})


class _ForeignError(PlenaError, ValueError):
    """A file that is not a ladder.json."""


def _load(path: Path) -> LadderFile:
    try:
        found = LadderFile.model_validate(json.loads(path.read_text(encoding="utf-8")))
        if (found.what, found.version) != (WHAT, VERSION):
            raise ValueError(f"it is {found.what!r}, version {found.version}")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TextSourceError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # also broken UTF-8, broken JSON
        raise _ForeignError(f"{path} is not a record of plena ladder ({_reason(error)})") from None
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
    return str(error)


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.stem}.aside-{number}{path.suffix}")).exists():
        number += 1
    return path.replace(aside)
