"""What a recipe makes of one module: a format for each role of its operands."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from plena_cosim.golden import Minifloat, Mx, Rounding


@dataclass(frozen=True, kw_only=True)
class CastFormat:
    """A scalar format that each element is cast to on its own, saturating.

    Attributes:
        fmt: the format.
        rounding: how the cast rounds.
    """

    fmt: Minifloat
    rounding: Rounding = Rounding.RNE

    @property
    def name(self) -> str:
        """Name for tables and messages, such as `e3m4`."""
        mode = "" if self.rounding is Rounding.RNE else f" {self.rounding.value}"
        return f"{self.fmt.name}{mode}"


Format = Mx | CastFormat
"""What a role is quantised to: blocks that share a scale, or each element on its own."""


class KvPosition(Enum):
    """Where keys are quantised for the cache."""

    POST_ROPE = "post_rope"
    """After the rotary embedding, as they are stored."""
    PRE_ROPE = "pre_rope"
    """Before it: the rotary embedding turns quantised keys."""


@dataclass(frozen=True, kw_only=True)
class AttentionFormats:
    """Formats inside an attention module; None leaves the operation as it is.

    Attributes:
        qk_matmul: both operands of Q K^T, along head_dim.
        av_matmul: the probabilities and V, both along the keys.
        rope: operands and tables of the rotary embedding.
        softmax: the scores that go into it.
        kv_cache: each key and value vector, along head_dim, once, when it is written.
        kv_position: where keys are quantised.
    """

    qk_matmul: Format | None = None
    av_matmul: Format | None = None
    rope: CastFormat | None = None
    softmax: CastFormat | None = None
    kv_cache: Format | None = None
    kv_position: KvPosition = KvPosition.POST_ROPE


@dataclass(frozen=True, kw_only=True)
class ModuleFormats:
    """Formats of one module by role; None leaves a role as it is.

    Attributes:
        weight, data_in: blocks run along the contraction axis (of an embedding: along its width).
        bias: blocks run along its only axis.
        attention: what happens between the projections; only for attention modules.
    """

    weight: Format | None = None
    data_in: Format | None = None
    bias: Format | None = None
    attention: AttentionFormats = field(default_factory=AttentionFormats)
