"""Texts to evaluate on by name: a file, the demo's, or one of the Hugging Face hub."""

from __future__ import annotations

import hashlib
from pathlib import Path

from plena_cosim.ground.cache import cache_root
from plena_cosim.ground.dataset_name import HUB_NAMES
from plena_cosim.ground.did_you_mean import did_you_mean

from .demo_text import demo_text
from .errors import TextSourceError
from .hub_text import HubPart, hub_text

TEXT_NAMES = ("demo", *HUB_NAMES)


def load_text(name: str, *, cache: Path | None = None) -> str:
    """Return a text file's content, or the text that a name stands for.

    Args:
        name: "demo"; "wikitext2", "c4" or "ptb": what is evaluated of these on the hub; else a
            UTF-8 file. A file of one of these names is given with its folder, as in "./demo".
        cache: where demo downloads live; the user's cache directory when None.

    Raises:
        TextSourceError: there is no such file, it is not UTF-8, or the text cannot be had.
    """
    if name == "demo":
        return demo_text(cache or cache_root())
    if name in HUB_NAMES:
        return hub_text(name, HubPart.EVALUATION)
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(map(repr, TEXT_NAMES))
        raise TextSourceError(
            f"cannot read text {name!r}: {error.strerror}; give a UTF-8 file, or one of {known}"
            f"{did_you_mean(name, TEXT_NAMES)}"
        ) from None
    except UnicodeDecodeError as error:
        raise TextSourceError(f"text {name!r} is not UTF-8: {error}") from None


def text_digest(text: str) -> str:
    """Return the sha256 of a text, for records."""
    return hashlib.sha256(text.encode()).hexdigest()
