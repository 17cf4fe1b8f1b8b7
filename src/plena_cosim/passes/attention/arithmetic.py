"""Scores, softmax and outputs of some queries: with torch's arithmetic, or with the machine's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import fakequant
from plena_cosim.fakequant import MxTensor
from plena_cosim.golden import FixedPoint, FormatError, HardwareConfig, Mx, ScaleRule, mxint
from plena_cosim.golden.affine import Grouping

from ..modules.operand import (
    DEFAULT_BLOCK,
    WIDEST_BITS,
    fake_quantize,
    matrix_format,
    matrix_operand,
)
from ..recipe.formats import AttentionFormats, Format
from ..recipe.range_rule import RangeMethod
from ..recipe.spec_format import SpecFormat
from ..weights.spec_values import quantize_spec
from .rotation import Rotator


@dataclass(frozen=True, kw_only=True)
class QueryChunk:
    """Some queries, and the keys and values of all that they attend.

    Attributes:
        query: (batch, heads, queries, head_dim), in the basis of the keys.
        key, value: (batch, key/value heads, keys, head_dim), as they lie in the cache.
        allowed: (…, queries, keys) bool: where a query attends a key; None: everywhere.
        scale: of the scores.
        softcap: bound of the scores.
        sinks: one score a head without a value.
        bias: added to scaled scores, (batch or 1, heads, queries or 1, keys).
        reads_cache: products take keys as they lie in the cache.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    allowed: Tensor | None
    scale: float
    softcap: float | None
    sinks: Tensor | None
    bias: Tensor | None
    reads_cache: bool

    def grouped(self, x: Tensor) -> Tensor:
        """Lay heads that share keys and values beneath each other: one product serves them all."""
        batch, heads, rows, width = x.shape
        return x.reshape(batch, self.key.shape[1], heads // self.key.shape[1] * rows, width)

    def by_head(self, x: Tensor) -> Tensor:
        """Undo `grouped` in a product."""
        return x.view(*self.query.shape[:3], -1)

    def with_sinks(self, scores: Tensor) -> Tensor:
        """Put sinks before the keys, where their place in a sum does not depend on padding."""
        if self.sinks is None:
            return scores
        column = self.sinks.to(scores).view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
        return torch.cat([column, scores], dim=-1)


def attend_fake(given: QueryChunk, rotator: Rotator) -> tuple[Tensor, Tensor]:
    """Return outputs (batch, heads, queries, head_dim) and probabilities, by torch."""
    q = rotator.narrow_qk(given.query)
    k = given.key if given.reads_cache else rotator.narrow_qk(given.key)
    scores = given.by_head(given.grouped(q) @ k.mT) * given.scale
    if given.softcap is not None:
        scores = torch.tanh(scores / given.softcap) * given.softcap
    if given.bias is not None:
        scores = scores + given.bias
    scores = fake_quantize(given.with_sinks(scores), rotator.formats.softmax)
    more = scores.shape[-1] - k.shape[-2]
    if given.allowed is not None:
        shut = functional.pad(~given.allowed, (more, 0), value=False)
        scores = scores.masked_fill(shut, torch.finfo(scores.dtype).min)
    weights = functional.softmax(scores, dim=-1, dtype=torch.float32).to(given.query.dtype)
    weights = probabilities(weights[..., more:], rotator.formats.softmax_out)
    p = rotator.narrow_av(weights, axis=-1)
    v = rotator.narrow_av(given.value, axis=-2)
    return given.by_head(given.grouped(p) @ v), weights


def probabilities(x: Tensor, fmt: Format | None) -> Tensor:
    """Return quantised probabilities; a static range is 0 … 1.

    Those are the extremes in every causal model: its first token attends itself alone.

    Args:
        x: (batch, heads, queries, keys).
        fmt: of `softmax_out`.
    """
    if not isinstance(fmt, SpecFormat) or not fmt.is_static:
        return fake_quantize(x, fmt)
    bounds = x.new_tensor(0.0), x.new_tensor(1.0)
    return quantize_spec(x, fmt, [bounds if stage.range else None for stage in fmt.stages])


@torch.no_grad()
def attend_exact(
    given: QueryChunk, rotator: Rotator, hw: HardwareConfig, where: str
) -> tuple[Tensor, Tensor]:
    """Return outputs (batch, heads, queries, head_dim) and probabilities, by the machine.

    Args:
        given: queries, keys, values and mask.
        rotator: the formats and rotations of the phase.
        hw: the machine.
        where: for messages.
    """
    vector, formats = hw.vector_format, rotator.formats
    qk, av = _matrix(formats.qk_matmul, where), _matrix(formats.av_matmul, where)
    q = matrix_operand(given.grouped(given.query), qk, vector)
    k = _as_it_is(given.key, qk) if given.reads_cache else matrix_operand(given.key, qk, vector)
    scores = given.by_head(fakequant.matmul(q, k.mT, hw))
    factor = fakequant.cast(torch.tensor(given.scale, dtype=torch.float64), vector)
    scores = fakequant.mul(scores, factor.to(scores), vector)
    if given.bias is not None:
        bias = fakequant.cast(given.bias, vector)
        scores = fakequant.add(scores, bias.to(scores), vector)
    scores = fakequant.cast(given.with_sinks(scores), vector)
    scores = fakequant.cast(fake_quantize(scores, formats.softmax), vector)
    taking_part = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=scores.device)
    more = scores.shape[-1] - given.key.shape[-2]
    if given.allowed is not None:
        taking_part = functional.pad(given.allowed, (more, 0), value=True)
    weights = fakequant.softmax(scores, taking_part, vector, hw.reduction_format, lanes=hw.vlen)
    weights = weights[..., more:]
    weights = weights.masked_fill(~taking_part.any(dim=-1, keepdim=True), 0.0)
    p = matrix_operand(given.grouped(rotator.along_keys(weights, axis=-1)), av, vector)
    v = matrix_operand(rotator.along_keys(given.value, axis=-2), av, vector, axis=-2)
    return given.by_head(fakequant.matmul(p, v, hw)), weights.to(given.query.dtype)


def check_machine(
    module: nn.Module, formats: AttentionFormats, *, hw: HardwareConfig | None, where: str
) -> None:
    """Refuse what the machine cannot do.

    Args:
        module: an attention module.
        formats: of its operations.
        hw: the machine of exact numerics; None: torch computes, which can do all.
        where: for messages.

    Raises:
        FormatError: scores are soft-capped, or an operand does not fit the matrix unit.
    """
    _require_probabilities(formats.softmax_out, where)
    if hw is None:
        return
    if getattr(module, "attn_logit_softcapping", None):
        raise FormatError(
            f"{where}: soft-capped scores need a tanh, which the machine does not have; "
            "use fake numerics"
        )
    for name in ("qk_matmul", "av_matmul"):
        _matrix(getattr(formats, name), f"{where}: {name}")


def _require_probabilities(fmt: Format | None, where: str) -> None:
    """Raise FormatError where a static range of probabilities is not the one that is known."""
    for stage in fmt.stages if isinstance(fmt, SpecFormat) else ():
        known = stage.range is None or (
            stage.range.method is RangeMethod.MIN_MAX and stage.granularity.kind is Grouping.TENSOR
        )
        if not known:
            raise FormatError(
                f"{where}: softmax_out: a static range of probabilities is that of the tensor by "
                f'min_max, 0 … 1; got {stage.name}. Take range = "dynamic"'
            )


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
