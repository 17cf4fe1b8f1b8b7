"""What a recipe makes of one module: a format for each role of its operands."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from plena_cosim.golden import Minifloat, Mx, Rounding

from .spec_format import SpecFormat


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


Format = Mx | CastFormat | SpecFormat
"""What a role is quantised to: blocks that share a scale, each element on its own, or what axes of
a format say, one stage after another."""


class KvPosition(Enum):
    """Where keys are quantised for the cache."""

    POST_ROPE = "post_rope"
    """After the rotary embedding, as they are stored."""
    PRE_ROPE = "pre_rope"
    """Before it: the rotary embedding turns quantised keys."""


class RotationMode(Enum):
    """What an online rotation H means for an operand x that is quantised by Q."""

    FUSED = "fused"
    """Q(Hx): both operands are rotated, which leaves their product, and then quantised."""
    DEQUANT = "dequant"
    """H^T Q(Hx), each operand on its own; those values are no codes that a machine multiplies."""


@dataclass(frozen=True, kw_only=True)
class AttentionFormats:
    """Formats inside an attention module; None leaves the operation as it is.

    Attributes:
        qk_matmul: both operands of Q K^T, along head_dim.
        av_matmul: the probabilities and V, both along the keys.
        rope: operands and tables of the rotary embedding.
        softmax: the scores that go into it.
        kv_cache: each key and value vector, along head_dim, once, when it is written.
        softmax_out: the probabilities.
        kv_position: where keys are quantised.
        qk_rotate: size of the Hadamard blocks that queries and keys are rotated by along head_dim,
            after the rotary embedding and before the cache.
        av_rotate: that of probabilities and values along the keys.
        kv_rotate: that of keys and values along head_dim, as they are cached.
        semantics: what these three mean. None: no rotation; LARGEST_ROTATION: the largest that
            fits; 0: none, and [rotation] is not to give one.
    """

    qk_matmul: Format | None = None
    av_matmul: Format | None = None
    rope: CastFormat | None = None
    softmax: CastFormat | None = None
    kv_cache: Format | None = None
    softmax_out: Format | None = None
    kv_position: KvPosition = KvPosition.POST_ROPE
    qk_rotate: int | None = None
    av_rotate: int | None = None
    kv_rotate: int | None = None
    semantics: RotationMode = RotationMode.FUSED

    @property
    def key_basis(self) -> int | None:
        """Size of the blocks by which keys lie rotated in the cache, and queries meet them."""
        if self.semantics is RotationMode.DEQUANT:
            return None
        return self.kv_rotate or self.qk_rotate or None

    @property
    def value_basis(self) -> int | None:
        """Size of the blocks by which values lie rotated in the cache."""
        return self.kv_rotate or None if self.semantics is RotationMode.FUSED else None


@dataclass(frozen=True, kw_only=True)
class ModuleFormats:
    """Formats of one module by role; None leaves a role as it is.

    Attributes:
        weight, data_in: blocks run along the contraction axis (of an embedding: along its width).
        bias: blocks run along its only axis.
        data_out: each output.
        attention: what happens between the projections; only for attention modules.
    """

    weight: Format | None = None
    data_in: Format | None = None
    bias: Format | None = None
    data_out: Format | None = None
    attention: AttentionFormats = field(default_factory=AttentionFormats)
