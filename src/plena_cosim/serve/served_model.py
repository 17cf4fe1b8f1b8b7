"""ServedModel: a model that writes, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plena_cosim.passes import Recipe

from .setting import Setting


@dataclass(frozen=True, kw_only=True, eq=False)
class ServedModel:
    """A model that writes, and how it was made.

    Attributes:
        revision: its number, from 1.
        network: of transformers, in evaluation mode.
        setting: what it was made by.
        recipe: with its patches, or that of a model that was saved quantised; None: it is float.
        numerics: "fake" or "exact"; None: it is float.
        fingerprint: a short name of the way in which it computes.
    """

    revision: int
    network: Any
    setting: Setting
    recipe: Recipe | None
    numerics: str | None
    fingerprint: str
