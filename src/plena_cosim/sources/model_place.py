"""Where transformers finds a model that is given by name."""

from __future__ import annotations

import re
from pathlib import Path

from plena_cosim.ground.cache import cache_root

from .demo_model import demo_model_folder
from .errors import TextSourceError

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
"""What the hub may know: a name, or owner/name; anything else can only be a path."""


def model_place(name: str, *, cache: Path | None = None) -> str | Path:
    """Return the folder of the demo model for "demo", and any other name as it is.

    Raises:
        TextSourceError: `name` is a file, or a path where nothing is, or the demo model cannot be
            had.
    """
    if name == "demo":
        return demo_model_folder(cache or cache_root())
    if Path(name).is_file():
        raise TextSourceError(f"model {name!r} is a file; give the folder that holds config.json")
    if not (Path(name).is_dir() or _HUB_ID.fullmatch(name)):
        raise TextSourceError(
            f"model {name!r}: there is no such folder; give a folder with config.json, an id on "
            "the Hugging Face hub, or 'demo'"
        )
    return name
