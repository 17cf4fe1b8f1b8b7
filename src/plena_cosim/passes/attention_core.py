"""AttentionCore: what happens between the projections of one attention module."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import fakequant
from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import (
    FixedPoint,
    FormatError,
    HardwareConfig,
    Minifloat,
    Mx,
    ScaleRule,
    mxint,
)

from .align_keys import align
from .attention_rotation import Rotator
from .kv_writer import KvWriter
from .module_formats import AttentionFormats, Format, KvPosition
from .operand import DEFAULT_BLOCK, WIDEST_BITS, matrix_format, matrix_operand, narrow
from .phase import PhaseClock
from .quant_config import Phase
from .vector_unit import VectorUnit

QUERIES = 256
"""Queries that are computed at a time: scores of long sequences would not fit into memory."""


class AttentionCore:
    """The formats of one attention module, and the arithmetic between its projections.

    With fake numerics operands are quantised and torch computes. With exact numerics everything
    here runs on the machine: products in the matrix unit (an operand without a format enters as
    MXINT16), rotary embedding and softmax in the vector unit, on operands in the recipe's formats.
    The softmax is the three-pass one, golden.ops.softmax.
    """

    def __init__(
        self,
        formats: Mapping[Phase, AttentionFormats],
        *,
        hw: HardwareConfig | None,
        clock: PhaseClock,
        where: str,
    ) -> None:
        self.formats, self.hw, self.clock, self.where = dict(formats), hw, clock, where
        self.rotators = {phase: Rotator(given, hw) for phase, given in formats.items()}

    @property
    def now(self) -> AttentionFormats:
        """The formats of the phase that the model is in."""
        return self.formats[self.clock.now]

    @property
    def rotator(self) -> Rotator:
        """The rotations of the phase that the model is in."""
        return self.rotators[self.clock.now]

    @property
    def reads_cache(self) -> bool:
        """Whether the matrix unit reads keys as they lie in the cache: whoever wrote them."""
        return self.now.qk_matmul is not None and all(
            writer.written == self.rotator.read
            and writer.formats.kv_position is KvPosition.POST_ROPE
            for writer in self.rotators.values()
        )

    # ------------------------------------------------------------ rotary embedding and cache

    def rope_with(self, rope: Callable[..., Any], writer: KvWriter) -> Callable[..., Any]:
        """Return a model's own function of the rotary embedding, on quantised operands."""
        formats = self.now

        def turned(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, *args: Any, **kw: Any) -> Any:
            if formats.kv_position is KvPosition.PRE_ROPE:
                k, writer.turned = self.cached_keys(k), k.shape[-1]
            given = [narrow(x, formats.rope) for x in (q, k, cos, sin)]
            if self.hw is None:
                return rope(*given, *args, **kw)
            vector = self.hw.vector_format
            with torch.no_grad():
                values = [fakequant.cast(x, vector) for x in given]
                with VectorUnit(vector):
                    turned_q, turned_k = rope(*values, *args, **kw)
            for result in (turned_q, turned_k):
                _require_rounded(result, vector, self.where)
            return turned_q.to(q.dtype), turned_k.to(k.dtype)

        return turned

    def cached_keys(self, keys: Tensor) -> Tensor:
        """Return new keys as the cache holds them; they come from the vector unit."""
        return self.rotator.cached(self._vector(keys), self.now.key_basis)

    def cached_values(self, values: Tensor) -> Tensor:
        """Return new values as the cache holds them; they come from the vector unit."""
        return self.rotator.cached(self._vector(values), self.now.value_basis)

    def cached_again(self, x: Tensor) -> Tensor:
        """Return keys or values that another phase has cached as this one's cache holds them."""
        return self.rotator.cached_again(self._vector(x))

    def _vector(self, x: Tensor) -> Tensor:
        if self.hw is None:
            return x
        return fakequant.cast(x, self.hw.vector_format).to(x.dtype)

    # ------------------------------------------------------------------- scores and outputs

    def leaves_attention(self) -> bool:
        """Whether the model's own attention function does the rest."""
        formats = self.now
        quantised = (formats.qk_matmul, formats.av_matmul, formats.softmax)
        return self.hw is None and all(fmt is None for fmt in quantised)

    def attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        *,
        scaling: float | None = None,
        dropout: float = 0.0,
        softcap: float | None = None,
        **_: Any,
    ) -> tuple[Tensor, Tensor]:
        """Return outputs (batch, heads, queries, head_dim) and probabilities.

        Args:
            module: the attention module; its `sinks` (one score a head without a value) count.
            query: (batch, heads, queries, head_dim).
            key, value: (batch, key/value heads, keys, head_dim), quantised when they were written.
            mask: additive, 0 where a query attends a key and very negative elsewhere; None where
                every query attends every key.
            scaling: of the scores; head_dim^-0.5 when None.
            dropout: of probabilities, in training.
            softcap: bound of the scores.
        """
        if dropout and module.training:
            raise FormatError(f"{self.where}: attention dropout cannot be quantised; set it to 0")
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        query = self.rotator.to_keys(query)
        allowed = None if mask is None else _allowed(mask, key.shape[-2], self.where)
        key, value, allowed = align(key, value, allowed)
        groups = query.shape[1] // key.shape[1]
        sinks = getattr(module, "sinks", None)
        attend = self._fake if self.hw is None else self._exact
        outputs, weights = [], query.new_zeros(*query.shape[:3], key.shape[-2])
        for start in range(0, query.shape[2], QUERIES):
            rows = slice(start, start + QUERIES)
            shown = None if allowed is None else allowed[:, :, rows]
            keys = self._keys_for(shown, key.shape[-2])
            if shown is not None:
                shown = shown[..., :keys]
            output, part = attend(
                query[:, :, rows], key[:, :, :keys], value[:, :, :keys],
                shown, groups, scale, softcap, sinks,
            )  # fmt: skip
            outputs.append(output)
            weights[:, :, rows, :keys] = part
        output = self.rotator.from_values(torch.cat(outputs, dim=2))
        return output.to(query.dtype), weights

    def _keys_for(self, allowed: Tensor | None, keys: int) -> int:
        """Return how many of the first keys some query attends, in whole blocks and vectors.

        What lies beyond adds zeros to sums and probabilities of zero: it changes no bit.
        """
        if allowed is None:
            return keys
        used = torch.nonzero(allowed.flatten(0, -2).any(dim=0))
        last = int(used[-1]) + 1 if used.numel() else 1
        step = DEFAULT_BLOCK if self.hw is None else math.lcm(DEFAULT_BLOCK, self.hw.vlen)
        if isinstance(self.now.av_matmul, Mx):
            step = math.lcm(step, self.now.av_matmul.block_size)
        step = math.lcm(step, self.now.av_rotate or 1)
        return min(keys, -(-last // step) * step)

    def _fake(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        allowed: Tensor | None,
        groups: int,
        scale: float,
        softcap: float | None,
        sinks: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        formats = self.now
        q = self.rotator.narrow_qk(query)
        k = key if self.reads_cache else self.rotator.narrow_qk(key)
        scores = (_grouped(q, groups) @ k.mT).view(*query.shape[:3], -1) * scale
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        scores = narrow(_with_sinks(scores, sinks), formats.softmax)
        more = scores.shape[-1] - key.shape[-2]
        if allowed is not None:
            shut = functional.pad(~allowed, (more, 0), value=False)
            scores = scores.masked_fill(shut, torch.finfo(scores.dtype).min)
        weights = functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
        weights = weights[..., more:]
        p = self.rotator.narrow_av(weights, axis=-1)
        v = self.rotator.narrow_av(value, axis=-2)
        return (_grouped(p, groups) @ v).view(query.shape[:3] + v.shape[-1:]), weights

    @torch.no_grad()
    def _exact(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        allowed: Tensor | None,
        groups: int,
        scale: float,
        softcap: float | None,
        sinks: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        assert self.hw is not None
        hw, vector, formats = self.hw, self.hw.vector_format, self.now
        qk = _matrix(formats.qk_matmul, self.where)
        q = matrix_operand(_grouped(query, groups), qk, vector)
        k = _as_it_is(key, qk) if self.reads_cache else matrix_operand(key, qk, vector)
        scores = fakequant.matmul(q, k.mT, hw).view(*query.shape[:3], -1)
        factor = fakequant.cast(torch.tensor(scale, dtype=torch.float64), vector)
        scores = fakequant.mul(scores, factor.to(scores), vector)
        scores = fakequant.cast(_with_sinks(scores, sinks), vector)
        scores = fakequant.cast(narrow(scores, formats.softmax), vector)
        taking_part = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=scores.device)
        more = scores.shape[-1] - key.shape[-2]
        if allowed is not None:
            taking_part = functional.pad(allowed, (more, 0), value=True)
        weights = fakequant.softmax(scores, taking_part, vector, hw.reduction_format, lanes=hw.vlen)
        weights = weights[..., more:]
        weights = weights.masked_fill(~taking_part.any(dim=-1, keepdim=True), 0.0)
        av = _matrix(formats.av_matmul, self.where)
        mixed = self.rotator.along_keys(weights, axis=-1)
        p = matrix_operand(_grouped(mixed, groups), av, vector)
        v = matrix_operand(self.rotator.along_keys(value, axis=-2), av, vector, axis=-2)
        output = fakequant.matmul(p, v, hw).view(query.shape[:3] + value.shape[-1:])
        return output, weights.to(query.dtype)


def check_machine(
    module: nn.Module, formats: AttentionFormats, *, hw: HardwareConfig | None, where: str
) -> None:
    """Raise FormatError for what the machine cannot do."""
    if hw is None:
        return
    if getattr(module, "attn_logit_softcapping", None):
        raise FormatError(
            f"{where}: soft-capped scores need a tanh, which the machine does not have; "
            "use fake numerics"
        )
    for name in ("qk_matmul", "av_matmul"):
        _matrix(getattr(formats, name), f"{where}: {name}")


def _matrix(fmt: Format | None, where: str) -> Mx:
    size = fmt.block_size if isinstance(fmt, Mx) else DEFAULT_BLOCK
    return matrix_format(fmt, block_size=size, where=where)


def _as_it_is(x: Tensor, mx: Mx) -> MxTensor:
    """Return values of `mx` as an operand without rounding them again.

    Some formats change their own values when they quantise them; 16 bits hold those of narrower
    elements, and `floor` keeps the largest element that `clip` would halve again.
    """
    if mx.scale_rule is ScaleRule.CLIP:
        mx = replace(mx, scale_rule=ScaleRule.FLOOR)
    moves = isinstance(mx.element, FixedPoint) and (
        mx.scale_rule is ScaleRule.MASE or not mx.symmetric
    )
    return fakequant.quantize_mx(x, mxint(WIDEST_BITS, block_size=mx.block_size) if moves else mx)


def _require_rounded(x: Tensor, vector: Minifloat, where: str) -> None:
    """Raise FormatError where the rotary embedding took a step that was not rounded."""
    if not bool(((fakequant.cast(x, vector) == x) | x.isnan()).all()):
        raise FormatError(
            f"{where}: its rotary embedding is not made of sums, differences and products of "
            "tensors, and exact numerics cannot follow it; use fake numerics"
        )


def _grouped(x: Tensor, groups: int) -> Tensor:
    """Lay the heads that share keys and values beneath each other: one product serves them all."""
    batch, heads, rows, width = x.shape
    return x.reshape(batch, heads // groups, groups * rows, width)


def _with_sinks(scores: Tensor, sinks: Tensor | None) -> Tensor:
    """Put sinks before the keys, where their place in a sum does not depend on padding."""
    if sinks is None:
        return scores
    column = sinks.detach().to(scores).view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
    return torch.cat([column, scores], dim=-1)


def _allowed(mask: Tensor, keys: int, where: str) -> Tensor:
    """Return where a mask lets a query attend; FormatError for anything but yes and no."""
    mask = mask[..., :keys]
    if mask.dtype == torch.bool:
        return mask
    allowed = mask == 0
    if not bool((allowed | (mask <= torch.finfo(mask.dtype).min / 2)).all()):
        raise FormatError(
            f"{where}: the attention mask adds a bias to scores; only masks of 0 and -inf can be "
            "quantised"
        )
    return allowed
