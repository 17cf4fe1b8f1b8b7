"""Places that are to be written, looked at before the work that fills them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .errors import PlenaError


class DestinationError(PlenaError, RuntimeError):
    """A place that cannot be written; the message names it and says why."""


def require_file(path: Path, *, given_as: str) -> None:
    """See that a file can be written, and leave nothing behind.

    Args:
        path: of the file; folders over it need not be there yet.
        given_as: words for the message, such as "--json".

    Raises:
        DestinationError: it is a folder, or its folder cannot be made or written.
    """
    if path.is_dir():
        raise DestinationError(f"{given_as} {path} is a folder; give the name of a file")
    _require_room(path.parent, f"{given_as} {path}")


def require_folder(path: Path, *, given_as: str) -> None:
    """See that a folder can be made, or written where it is there; see `require_file`.

    Args:
        path: of the folder.
        given_as: words for the message, such as "--out".

    Raises:
        DestinationError: it is a file, or it cannot be made or written.
    """
    _require_room(path, f"{given_as} {path}")


def require_document(path: Path) -> None:
    """See that a document of the checkout is there to be renewed.

    Args:
        path: of the document.

    Raises:
        DestinationError: it is not; an installed package has no documents.
    """
    if not path.is_file():
        raise DestinationError(
            f"there is no {path} to renew; --write works in a checkout of the project, and this "
            "is an installed package"
        )


def _require_room(folder: Path, given: str) -> None:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise DestinationError(f"{given}: {existing} is a file, not a folder; give another place")
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise DestinationError(
            f"{given}: cannot write into {existing} ({reason}); give another place"
        ) from None
