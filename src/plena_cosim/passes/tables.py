"""The tables of a quantisation recipe, key by key as PLENA's TOML files have them.

A field's description is its line in docs/recipe.md and in the JSON schema. Ranges here are hints for
editors: what a format allows is golden's business, and a test holds the two together.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, create_model

from plena_cosim.golden import Rounding, ScaleRule

from .calibration_tables import GptqTable, RotationSearchTable
from .read_table import Table
from .role_format import ROUND_MODES

OPERATIONS = ("qk_matmul", "av_matmul", "rope", "softmax", "kv_cache")
"""The operations inside attention, each a sub-table of its selector."""

OPTIONS = ("gptq", "clip_search", "online_rotate")
"""What can be done to operands beside quantising them."""


def _number(what: str, low: int, high: int) -> Any:
    return (
        int | None,
        Field(None, description=what, json_schema_extra={"minimum": low, "maximum": high}),
    )


def _choice(what: str, values: list[str]) -> Any:
    return str | None, Field(None, description=what, json_schema_extra={"enum": [*values]})


def _switch(what: str, *, default: bool = False) -> Any:
    return bool, Field(default, description=what)


def _blocks(role: str) -> dict[str, Any]:
    return {
        f"{role}_block_size": _number("Elements that share a scale.", 1, 4096),
        f"{role}_width": _number("Bits of an MXINT element.", 2, 16),
    }


def _floats(role: str, *, exponent: int, fraction: int) -> dict[str, Any]:
    return {
        f"{role}_exponent_width": _number("Exponent bits of an element.", 1, exponent),
        f"{role}_frac_width": _number("Fraction bits of an element.", 0, fraction),
    }


def _rounding(role: str) -> dict[str, Any]:
    what = "How elements are rounded: to nearest even, down, up, toward zero; `[numerics]` decides."
    return {f"{role}_round_mode": _choice(what, list(ROUND_MODES))}


def _finite(role: str) -> dict[str, Any]:
    what = "Every code of a scalar format is a number; `false`: Inf and NaN as in IEEE 754."
    return {f"{role}_is_finite": _switch(what, default=True)}


def _bypass(role: str) -> dict[str, Any]:
    return {f"{role}_bypass": _switch("Leave this role as it is, whatever its other keys say.")}


def _table(name: str, doc: str, fields: dict[str, Any]) -> type[Table]:
    return create_model(name, __base__=Table, __doc__=doc, __module__=__name__, **fields)


_OFF = {"bypass": _switch("Leave the operation as it is, whatever the other keys say.")}

CastTable = _table(
    "CastTable",
    "rope or softmax: a scalar format.",
    {
        **_OFF,
        **_floats("data_in", exponent=8, fraction=23),
        **_finite("data_in"),
        **_rounding("data_in"),
    },
)

MatmulTable = _table(
    "MatmulTable",
    "qk_matmul or av_matmul: MXINT with block_size and width, MXFP with block_size, exponent_width "
    "and frac_width, or a scalar format with exponent_width and frac_width alone.",
    {
        **_OFF,
        **_blocks("data_in"),
        **_floats("data_in", exponent=8, fraction=23),
        **_finite("data_in"),
        **_rounding("data_in"),
    },
)


class KvCacheTable(MatmulTable):  # type: ignore[misc, valid-type]
    """kv_cache: keys as in qk_matmul, and where keys are quantised."""

    position: Literal["post_rope", "pre_rope"] = Field(
        "post_rope", description="Quantise keys after the rotary embedding, or before it."
    )


def _sub(kind: type[Table], what: str) -> Any:
    return kind | None, Field(None, description=what)


_ATTENTION: dict[str, Any] = {
    "qk_matmul": _sub(MatmulTable, "Attention: queries and keys of the scores, along head_dim."),
    "av_matmul": _sub(MatmulTable, "Attention: probabilities and values, both along the keys."),
    "rope": _sub(CastTable, "Attention: operands and tables of the rotary embedding."),
    "softmax": _sub(CastTable, "Attention: the scores, as the softmax takes them."),
    "kv_cache": _sub(KvCacheTable, "Attention: each key and value vector, once, when written."),
}

_SELECTOR_OFF = {"bypass": _switch("Leave the modules as they are, whatever later selectors say.")}

_OPTIONS: dict[str, Any] = {
    "gptq": _switch("Take the weight that `[gptq]` calibrates instead of rounding to nearest."),
    "clip_search": (
        bool | list[float],
        Field(
            False,
            description="Choose the clipping of each weight block from a grid of quantiles in "
            "(0, 1]; `true`: 1.0, 0.95 … 0.5.",
        ),
    ),
    "online_rotate": (
        bool | int,
        Field(
            False,
            description="Rotate both operands along the contraction axis by a Hadamard matrix of "
            "this size, a power of two; `true`: the largest that divides the axis.",
        ),
    ),
}


def _mx_roles() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for role in ("weight", "data_in", "bias"):
        wide = {"exponent": 8, "fraction": 23} if role == "data_in" else {}
        sizes = {"exponent": 5, "fraction": 10} | wide
        fields |= _blocks(role) | _floats(role, **sizes) | _rounding(role) | _bypass(role)
    return fields | _finite("data_in")


def _minifloat_roles() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for role in ("weight", "data_in"):
        fields |= _floats(role, exponent=8, fraction=23)
        fields |= _finite(role) | _rounding(role) | _bypass(role)
    return fields


_NAMES = Field(description="Family of the formats.", json_schema_extra={"title": "Name"})

MxTable = _table(
    "MxTable",
    "A selector of linear layers, embeddings, experts or attention in MXINT or MXFP.",
    {
        "name": (Literal["mxint", "mxfp"], _NAMES),
        **_SELECTOR_OFF,
        **_mx_roles(),
        **_OPTIONS,
        **_ATTENTION,
    },
)

MinifloatTable = _table(
    "MinifloatTable",
    "A selector of norms, activations or attention in scalar formats.",
    {
        "name": (Literal["minifloat"], _NAMES),
        **_SELECTOR_OFF,
        **_minifloat_roles(),
        **_ATTENTION,
    },
)

SELECTOR_TABLES: dict[str, type[Table]] = {
    "mxint": MxTable,
    "mxfp": MxTable,
    "minifloat": MinifloatTable,
}
"""The tables of selectors by their `name`."""

DefaultsTable = _table(
    "DefaultsTable",
    "[defaults]: keys that every selector has unless it gives them itself.",
    {
        "name": (Literal["mxint", "mxfp", "minifloat"] | None, Field(None, description="Family.")),
        **_minifloat_roles(),
        **_mx_roles(),
        **_OPTIONS,
        **_ATTENTION,
    },
)


class NumericsTable(Table):
    """[numerics]: what every format of the recipe shares; golden's defaults where left out."""

    profile: Literal["ocp", "mase"] | None = Field(
        None,
        description="Preset: `ocp` (floor, symmetric) or `mase` (mase, not symmetric), as the "
        "reference computes; other keys win.",
    )
    scale_rule: str | None = Field(
        None,
        description="How a block's scale follows from its largest magnitude.",
        json_schema_extra={"enum": [rule.value for rule in ScaleRule]},
    )
    rounding: str | None = Field(
        None,
        description="How elements are rounded.",
        json_schema_extra={"enum": [mode.value for mode in Rounding]},
    )
    symmetric: bool | None = Field(None, description="MXINT: never produce the code -2^(W-1).")
    scale_bits: int | None = Field(
        None,
        description="Width of a scale code.",
        json_schema_extra={"minimum": 2, "maximum": 8},
    )
    strict: bool = Field(False, description="A NaN or Inf that a format cannot hold is an error.")

    def fields(self) -> dict[str, Any]:
        """Return what is given, as fields of Mx."""
        given = self.model_dump(exclude_none=True, exclude={"profile", "strict"})
        return {**PROFILES[self.profile or "ocp"], **given}


PROFILES: dict[str, dict[str, Any]] = {
    "ocp": {"scale_rule": "floor", "symmetric": True},
    "mase": {"scale_rule": "mase", "symmetric": False},
}
"""The presets of [numerics]."""


class HardwareTable(Table):
    """[hardware]: the machine of exact numerics."""

    config: str = Field(description="A file of configs/hw, relative to the recipe.")


class SelectorsTable(Table):
    """[phase.prefill] or [phase.decode]: selectors that come before those of the file."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, MxTable | MinifloatTable] = Field(init=False)  # type: ignore[valid-type]


class PhaseTable(Table):
    """[phase]: other formats for the prompt than for the tokens that follow."""

    kv_handover: Literal["keep", "requantize"] = Field(
        "keep",
        description="What decoding makes of the keys and values of the prompt: read their codes as "
        "they were written, or quantise them again to the format of decode.",
    )
    prefill: SelectorsTable | None = Field(None, description="Selectors while a prompt is read.")
    decode: SelectorsTable | None = Field(None, description="Selectors while tokens are written.")


class RecipeFile(SelectorsTable):
    """A quantisation recipe: every other table is a selector."""

    by: Literal["regex_name", "name", "type", "glob"] = Field(
        "regex_name",
        description="What selectors are compared with: the whole module name by regular "
        "expression, literally or by glob pattern, or the class name.",
    )
    exclude: list[str] = Field(
        default_factory=list,
        description="Patterns, as those of selectors: these modules, and all inside them, stay as "
        "they are.",
    )
    defaults: DefaultsTable | None = Field(None, description="Keys for every selector.")  # type: ignore[valid-type]
    numerics: NumericsTable | None = Field(None, description="What all formats share.")
    hardware: HardwareTable | None = Field(None, description="The machine of exact numerics.")
    gptq: GptqTable | None = Field(None, description="Calibration of weights.")
    rotation_search: RotationSearchTable | None = Field(None, description="Search for rotations.")
    phase: PhaseTable | None = Field(None, description="Formats by phase.")
