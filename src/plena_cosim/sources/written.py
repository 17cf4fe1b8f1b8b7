"""Writing what a user or a download asks for: whole or not at all, with one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from plena_cosim.ground.write_whole import whole

from .errors import TextSourceError


@contextmanager
def written(target: Path) -> Iterator[Path]:
    """Give a scratch path beside `target`, and rename it to `target` if the block succeeds.

    See `plena_cosim.ground.write_whole.whole`.

    Raises:
        TextSourceError: the disk is full or not writable.
    """
    with ExitStack() as stack:
        try:
            scratch = stack.enter_context(whole(target))
        except OSError as error:
            raise TextSourceError(f"cannot write into {target.parent}: {error.strerror}") from None
        try:
            yield scratch
            stack.close()
        except OSError as error:
            raise TextSourceError(f"cannot write {target}: {error.strerror or error}") from None
