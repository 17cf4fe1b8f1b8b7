"""The tables of selectors, of [defaults], and the sub-tables of attention.

The same keys come with each role, so fields are made from rows here; see tables.py for the others.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from plena_cosim.golden import ScaleRule

from .read_table import Table
from .role_format import ALL_ROLES, ROUND_MODES
from .spec_table import SpecTable

OPERATIONS = ("qk_matmul", "av_matmul", "rope", "softmax", "kv_cache")
"""The operations inside attention, each a sub-table of its selector."""

ROTATIONS = {"qk_matmul": "qk_rotate", "av_matmul": "av_rotate", "kv_cache": "kv_rotate"}
"""Of those that can be rotated, the fields of AttentionFormats that say by how much."""

ROTATING = "_rotate"
"""What the reference puts behind a name where all operands are rotated."""

SPEC = "spec"
"""The name of selectors whose roles are tables, one key an axis of the format."""

MX_NAMES = tuple(f"{name}{end}" for end in ("", ROTATING) for name in ("mxint", "mxfp"))

_BLOCK_LIMITS = {"exponent": 5, "fraction": 10}
_SCALAR_LIMITS = {"exponent": 8, "fraction": 23}


def _key(kind: Any, default: Any, what: str, example: Any, **schema: Any) -> Any:
    field = Field(default, description=what, examples=[example], json_schema_extra=schema or None)
    return kind, field


def _number(what: str, low: int, high: int, example: int) -> Any:
    return _key(int | None, None, what, example, minimum=low, maximum=high)


def _blocks(role: str) -> dict[str, Any]:
    return {
        f"{role}_block_size": _number("Elements that share a scale.", 1, 4096, 32),
        f"{role}_width": _number("Bits of an MXINT element.", 2, 16, 4),
    }


def _floats(role: str, *, exponent: int, fraction: int) -> dict[str, Any]:
    return {
        f"{role}_exponent_width": _number("Exponent bits of an element.", 1, exponent, 4),
        f"{role}_frac_width": _number("Fraction bits of an element.", 0, fraction, 3),
    }


def _rounding(role: str) -> dict[str, Any]:
    what = "Rounding: to nearest even, down, up or toward zero; else as `[numerics]` says."
    return {f"{role}_round_mode": _key(str | None, None, what, "rz", enum=list(ROUND_MODES))}


def _block_keys(role: str) -> dict[str, Any]:
    """Return the keys that say more of a block format than its shape."""
    rule = "Blocks: how the scale follows from the largest magnitude; else as `[numerics]` says."
    symmetric = "MXINT: never the code -2^(W-1); else as `[numerics]` says."
    return {
        f"{role}_scale_rule": _key(
            str | None, None, rule, "clip", enum=[rule.value for rule in ScaleRule]
        ),
        f"{role}_symmetric": _key(bool | None, None, symmetric, False),
    }


def _finite(role: str) -> dict[str, Any]:
    what = "Scalar formats: every code is a number; `false`: Inf and NaN as in IEEE 754."
    return {f"{role}_is_finite": _key(bool, True, what, False)}


def _bypass(role: str) -> dict[str, Any]:
    what = "Leave this role as it is, whatever its other keys say."
    return {f"{role}_bypass": _key(bool, False, what, True)}


def _table(name: str, doc: str, fields: dict[str, Any]) -> type[Table]:
    return create_model(name, __base__=Table, __doc__=doc, __module__=__name__, **fields)


_OFF = {
    "bypass": _key(bool, False, "Leave the operation as it is, whatever the other keys say.", True)
}
_SCALAR = _floats("data_in", **_SCALAR_LIMITS) | _finite("data_in") | _rounding("data_in")

_ROTATE = {
    "online_rotate": _key(
        bool | int,
        False,
        "Rotate the operands by Hadamard matrices of this size, a power of two or K * 2^r, before "
        "they are quantised; `true`: the largest power of two that fits. `false` keeps "
        "`[rotation]` out.",
        64,
    )
}

_REFERENCE = {
    "rotate": _key(
        bool | None,
        None,
        "The reference's word for `online_rotate`; with a `name` that ends in `_rotate` it is "
        "`true` where nothing is said.",
        False,
    ),
    "force_fp32_had": _key(
        bool,
        False,
        "The reference's; rotations here are in float32 or wider, whatever it says.",
        True,
    ),
}

CastTable = _table("CastTable", "rope or softmax: a scalar format.", _OFF | _SCALAR)

MatmulTable = _table(
    "MatmulTable",
    "qk_matmul or av_matmul: MXINT with block_size and width, MXFP with block_size, exponent_width "
    "and frac_width, or a scalar format with exponent_width and frac_width alone.",
    _OFF | _blocks("data_in") | _SCALAR | _block_keys("data_in") | _ROTATE | _REFERENCE,
)

KvCacheTable = _table(
    "KvCacheTable",
    "kv_cache: a format as in qk_matmul, and where keys are quantised.",
    _OFF
    | _blocks("data_in")
    | _SCALAR
    | _block_keys("data_in")
    | _ROTATE
    | _REFERENCE
    | {
        "position": _key(
            Literal["post_rope", "pre_rope"],
            "post_rope",
            "Quantise keys after the rotary embedding, as they are stored, or before it.",
            "pre_rope",
        )
    },
)


def _operation(kind: type[Table], what: str, example: dict[str, Any]) -> Any:
    return _key(kind | None, None, what, example)


_MX_EXAMPLE = {"data_in_block_size": 32, "data_in_width": 4}
_SCALAR_EXAMPLE = {"data_in_exponent_width": 3, "data_in_frac_width": 4}

_ATTENTION: dict[str, Any] = {
    "qk_matmul": _operation(
        MatmulTable, "Attention: both operands of Q·Kᵀ, along head_dim.", _MX_EXAMPLE
    ),
    "av_matmul": _operation(
        MatmulTable, "Attention: the probabilities and V, both along the keys.", _MX_EXAMPLE
    ),
    "rope": _operation(
        CastTable, "Attention: operands and tables of the rotary embedding.", _SCALAR_EXAMPLE
    ),
    "softmax": _operation(
        CastTable, "Attention: the scores that the softmax takes.", _SCALAR_EXAMPLE
    ),
    "kv_cache": _operation(
        KvCacheTable,
        "Attention: each key and value vector, along head_dim, once, when it is written.",
        _MX_EXAMPLE,
    ),
}

_SELECTOR = {
    "bypass": _key(bool, False, "Leave the modules as they are, whatever later tables say.", True),
    "type": _key(
        str | list[str],
        [],
        "Of the modules that match, only those of this class, or of one of these; as with "
        '`by = "type"`.',
        "Linear",
    ),
    "optional": _key(bool, False, "It is no error that no module is left to match.", True),
}
"""What any selector may say."""

SELECTION = ("name", *_SELECTOR)
"""The keys that say nothing of formats."""

_Share = Annotated[float, Field(json_schema_extra={"exclusiveMinimum": 0, "maximum": 1})]

_OPTIONS: dict[str, Any] = {
    "gptq": _key(
        bool, False, "Linear: the weight that `[gptq]` calibrates, not rounding to nearest.", True
    ),
    "clip_search": _key(
        bool | list[_Share],
        False,
        "Linear: clip each weight block at the best of these shares, in (0, 1], of its largest "
        "magnitude; `true`: 1.0, 0.95 … 0.5.",
        [1.0, 0.9, 0.8],
    ),
    "online_rotate": _key(
        bool | int,
        False,
        "Linear: rotate both operands along the contraction axis by a Hadamard matrix of this "
        "size, a power of two or K * 2^r (K = 12, 20 … 172); `true`: the largest power of two that "
        "divides the axis.",
        64,
    ),
}

OPTIONS = tuple(_OPTIONS)
"""What can be done to the operands of a linear layer beside quantising them."""


def _mx_roles() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for role in ("weight", "data_in", "bias"):
        limits = _SCALAR_LIMITS if role == "data_in" else _BLOCK_LIMITS
        fields |= _blocks(role) | _floats(role, **limits) | _block_keys(role)
        fields |= _rounding(role) | _bypass(role)
    return fields | _finite("data_in")


def _minifloat_roles() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for role in ("weight", "data_in"):
        fields |= _floats(role, **_SCALAR_LIMITS) | _finite(role) | _rounding(role) | _bypass(role)
    return fields


def _name(*names: str) -> dict[str, Any]:
    what = "Family of the formats; required unless `[defaults]` gives it."
    if "mxint_rotate" in names:
        what += " With `_rotate` all that it quantises is rotated online, too."
    return {"name": _key(Literal[names] | None, None, what, names[0])}


MxTable = _table(
    "MxTable",
    "A selector of linear layers, embeddings, experts or attention in MXINT or MXFP.",
    _name(*MX_NAMES) | _SELECTOR | _mx_roles() | _OPTIONS | _REFERENCE | _ATTENTION,
)

MinifloatTable = _table(
    "MinifloatTable",
    "A selector of norms, activations or attention in scalar formats.",
    _name("minifloat") | _SELECTOR | _minifloat_roles() | _ATTENTION,
)


def _spec_roles() -> dict[str, Any]:
    what = {
        "weight": "The weight; of a linear layer (out, in).",
        "data_in": "Each input.",
        "data_out": "Each output.",
        "bias": "The bias.",
    }
    chain = " A list of tables: one after the other."
    return {
        role: _key(
            SpecTable | list[SpecTable] | None, None, what[role] + chain, {"element": "int8"}
        )
        for role in ALL_ROLES
    }


_SOFTMAX_OUT = {
    "softmax_out": _key(
        SpecTable | list[SpecTable] | None,
        None,
        "Attention: the probabilities, (batch, heads, queries, keys).",
        {"element": "fp8_e4m3"},
    )
}

SpecSelectorTable = _table(
    "SpecSelectorTable",
    "A selector whose roles are tables, one key an axis of the format; fake numerics, but for MX.",
    _name(SPEC) | _SELECTOR | _spec_roles() | _SOFTMAX_OUT | {"gptq": _OPTIONS["gptq"]},
)

DefaultsTable = _table(
    "DefaultsTable",
    "[defaults]: keys that every selector has unless it gives them itself.",
    _name(*MX_NAMES, "minifloat", SPEC)
    | {**_mx_roles(), **_minifloat_roles()}
    | _OPTIONS
    | _ATTENTION
    | _spec_roles(),
)

SELECTOR_TABLES: dict[str, type[Table]] = {
    **dict.fromkeys(MX_NAMES, MxTable),
    "minifloat": MinifloatTable,
    SPEC: SpecSelectorTable,
}
"""The tables of selectors by their `name`."""
