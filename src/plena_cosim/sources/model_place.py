"""Where transformers finds a model that is given by name."""

from __future__ import annotations

from pathlib import Path

from plena_cosim.ground.cache import cache_root

from .demo_model import demo_model_folder
from .errors import TextSourceError


def model_place(name: str, *, cache: Path | None = None) -> str | Path:
    """Return the folder of the demo model for "demo", and any other name as it is.

    Raises:
        TextSourceError: `name` is a file, or the demo model cannot be had.
    """
    if name == "demo":
        return demo_model_folder(cache or cache_root())
    if Path(name).is_file():
        raise TextSourceError(f"model {name!r} is a file; give the folder that holds config.json")
    return name
