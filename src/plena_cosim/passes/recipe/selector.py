"""One selector of a recipe: which modules, and what they become."""

from __future__ import annotations

from dataclasses import dataclass

from .formats import ModuleFormats, RotationMode

CLIP_GRID = tuple(round(1 - step / 20, 2) for step in range(11))
"""The shares of `clip_search = true`: 1.0, 0.95 … 0.5."""

LARGEST_ROTATION = -1
"""`online_rotate = true`: the largest power of two that divides the contraction axis."""


@dataclass(frozen=True, kw_only=True)
class Selector:
    """One table of a recipe.

    Attributes:
        key: the text that chooses modules.
        formats: what they become.
        bypass: the modules stay as they are, whatever later selectors say.
        types: only modules of these classes; empty: of any.
        optional: it may choose nothing.
        place: what messages call it; the key alone where it is empty.
        gptq: the weight is the one that [gptq] calibrates.
        clip_search: shares of a weight block's largest magnitude from which its clipping is chosen;
            empty: no search.
        online_rotate: size of the Hadamard matrix that both operands are rotated by, or
            LARGEST_ROTATION; None: no rotation.
        semantics: what that rotation means.
        explicit: the roles, attention operations and options that the table itself names; others
            come from [defaults] and are dropped where a module does not take them.
    """

    key: str
    formats: ModuleFormats
    bypass: bool = False
    types: tuple[str, ...] = ()
    optional: bool = False
    place: str = ""
    gptq: bool = False
    clip_search: tuple[float, ...] = ()
    online_rotate: int | None = None
    semantics: RotationMode = RotationMode.FUSED
    explicit: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What messages call it: its key, and which of the tables of this key it is."""
        return self.place or self.key
