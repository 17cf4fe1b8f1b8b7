"""Recipe: a quantisation recipe, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from plena_cosim.golden import HardwareConfig, Mx

from .calibration_tables import GptqTable, RotationSearchTable
from .distill_table import DistillTable
from .ranges_table import RangesTable
from .rotation_table import RotationTable
from .scaling_table import ScalingTable
from .selector import Selector
from .spec_format import SpecFormat
from .token_collector_table import TokenCollectorTable


class MatchBy(Enum):
    """What the selectors of a recipe are compared with."""

    REGEX_NAME = "regex_name"
    """The whole name of a module, by regular expression."""
    NAME = "name"
    """The name of a module, literally."""
    TYPE = "type"
    """The class name of a module; case does not matter (`linear`)."""
    GLOB = "glob"
    """The whole name of a module, by pattern: `*` is any text, dots included, `?` a character."""
    GLOB_OR_TYPE = "glob_or_type"
    """A pattern for the whole name or, where that does not match, for the name of the class."""


class Phase(Enum):
    """What a model is doing when it computes."""

    PREFILL = "prefill"
    """Reading a prompt: everything that is not decode."""
    DECODE = "decode"
    """Writing: a pass over one token with something in the cache."""


class KvHandover(Enum):
    """What decoding makes of the keys and values that the prefill has cached."""

    KEEP = "keep"
    """Reads their codes as they were written."""
    REQUANTIZE = "requantize"
    """Quantises them to the format of its own cache, once, when the phase changes."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe, checked.

    Attributes:
        by: how selectors match.
        selectors: in the order of the file; the first that matches a module decides.
        exclude: patterns of modules that stay as they are, with all inside them.
        phases: selectors that come before `selectors` in one phase.
        kv_handover: what decode makes of the cache of prefill.
        hardware: the machine named in [hardware], if any.
        seed: of stochastic rounding.
        strict: a NaN or Inf that a format cannot hold is an error.
        gptq, rotation_search, scaling, distill: what calibration is to do, if anything.
        ranges: the data that show static ranges, if the recipe names some.
        token_collector: where the tokens go that the model is given, if anywhere.
        rotation: what is rotated by Hadamard matrices, if anything.
        calibrated: the weight format of [gptq].
        notes: what a user should be told of it.
        source: where the recipe comes from, for messages.
        sha256: of the file's bytes; empty for a recipe that was not read from a file.
        tables: the recipe as parsed from TOML, fit for JSON; a file that [hardware] names has been
            put in, so that the tables say everything.
    """

    by: MatchBy
    selectors: tuple[Selector, ...]
    exclude: tuple[str, ...] = ()
    phases: Mapping[Phase, tuple[Selector, ...]] = field(default_factory=dict)
    kv_handover: KvHandover = KvHandover.KEEP
    hardware: HardwareConfig | None = None
    seed: int = 0
    strict: bool = False
    gptq: GptqTable | None = None
    rotation_search: RotationSearchTable | None = None
    rotation: RotationTable | None = None
    scaling: ScalingTable | None = None
    distill: DistillTable | None = None
    ranges: RangesTable | None = None
    token_collector: TokenCollectorTable | None = None
    calibrated: Mx | SpecFormat | None = None
    notes: tuple[str, ...] = ()
    source: str = "quantisation recipe"
    sha256: str = ""
    tables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changes_anything(self) -> bool:
        """Whether the recipe asks for any change of a model."""
        stages = (self.gptq, self.rotation_search, self.rotation, self.scaling, self.distill)
        return bool(self.selectors) or any(self.phases.values()) or any(stages)


PassArgs = Recipe
"""Mase's word for it: what a recipe gives to a pass."""
