"""AttentionCore: what happens between the projections of one attention module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import fakequant
from plena_cosim.golden import FormatError, HardwareConfig, Mx

from .align_keys import align
from .module_formats import AttentionFormats, Format, KvPosition
from .operand import DEFAULT_BLOCK, matrix_format, matrix_operand, narrow
from .phase import PhaseClock
from .quant_config import Phase
from .vector_unit import VectorUnit


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

    @property
    def now(self) -> AttentionFormats:
        """The formats of the phase that the model is in."""
        return self.formats[self.clock.now]

    def check(self, module: nn.Module) -> None:
        """Raise FormatError for what the machine cannot do."""
        if self.hw is None:
            return
        if getattr(module, "attn_logit_softcapping", None):
            raise FormatError(
                f"{self.where}: soft-capped scores need a tanh, which the machine does not have; "
                "use fake numerics"
            )
        for formats in self.formats.values():
            for name in ("qk_matmul", "av_matmul"):
                _matrix(getattr(formats, name), f"{self.where} {name}")

    # ------------------------------------------------------------ rotary embedding and cache

    def rope_with(self, rope: Callable[..., Any]) -> Callable[..., Any]:
        """Return a model's own function of the rotary embedding, on quantised operands."""
        formats = self.now

        def turned(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, *args: Any, **kw: Any) -> Any:
            if formats.kv_position is KvPosition.PRE_ROPE:
                k = narrow(k, formats.kv_cache)
            given = [narrow(x, formats.rope) for x in (q, k, cos, sin)]
            if self.hw is None:
                return rope(*given, *args, **kw)
            vector = self.hw.vector_format
            with torch.no_grad():
                values = [fakequant.cast(x, vector) for x in given]
                with VectorUnit(vector):
                    turned_q, turned_k = rope(*values, *args, **kw)
            return turned_q.to(q.dtype), turned_k.to(k.dtype)

        return turned

    def written(self) -> dict[str, Format | None]:
        """Return the formats in which keys and values are written to the cache."""
        formats = self.now
        before = formats.kv_position is KvPosition.PRE_ROPE
        return {"keys": None if before else formats.kv_cache, "values": formats.kv_cache}

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
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        allowed = None if mask is None else _allowed(mask, key.shape[-2], self.where)
        key, value, allowed = align(key, value, allowed)
        groups = query.shape[1] // key.shape[1]
        sinks = getattr(module, "sinks", None)
        attend = self._fake if self.hw is None else self._exact
        output, weights = attend(query, key, value, allowed, groups, scale, softcap, sinks)
        if dropout and module.training:
            raise FormatError(f"{self.where}: attention dropout cannot be quantised; set it to 0")
        return output.to(query.dtype), weights

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
        q = narrow(query, formats.qk_matmul)
        k = key if _same(formats.qk_matmul, formats.kv_cache) else narrow(key, formats.qk_matmul)
        scores = (_grouped(q, groups) @ k.mT).view(*query.shape[:3], -1) * scale
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        scores = narrow(scores, formats.softmax)
        if allowed is not None:
            scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
        scores = _with_sinks(scores, sinks)
        weights = functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
        weights = weights[..., : key.shape[-2]]
        p = narrow(weights, formats.av_matmul)
        v = narrow(value, formats.av_matmul, axis=-2)
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
        q, k = (matrix_operand(x, qk, vector) for x in (_grouped(query, groups), key))
        scores = fakequant.matmul(q, k.mT, hw).view(*query.shape[:3], -1)
        factor = fakequant.cast(torch.tensor(scale, dtype=torch.float64), vector)
        scores = fakequant.mul(scores, factor.to(scores), vector)
        scores = fakequant.cast(narrow(_with_sinks(scores, sinks), formats.softmax), vector)
        taking_part = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=scores.device)
        if allowed is not None:
            taking_part = functional.pad(allowed, (0, scores.shape[-1] - key.shape[-2]), value=True)
        weights = fakequant.softmax(scores, taking_part, vector, hw.reduction_format, lanes=hw.vlen)
        weights = weights[..., : key.shape[-2]]
        weights = weights.masked_fill(~taking_part.any(dim=-1, keepdim=True), 0.0)
        av = _matrix(formats.av_matmul, self.where)
        p = matrix_operand(_grouped(weights, groups), av, vector)
        v = matrix_operand(value, av, vector, axis=-2)
        output = fakequant.matmul(p, v, hw).view(query.shape[:3] + value.shape[-1:])
        return output, weights.to(query.dtype)


def _matrix(fmt: Format | None, where: str) -> Mx:
    size = fmt.block_size if isinstance(fmt, Mx) else DEFAULT_BLOCK
    return matrix_format(fmt, block_size=size, where=where)


def _same(a: Format | None, b: Format | None) -> bool:
    return a is not None and a == b


def _grouped(x: Tensor, groups: int) -> Tensor:
    """Lay the heads that share keys and values beneath each other: one product serves them all."""
    batch, heads, rows, width = x.shape
    return x.reshape(batch, heads // groups, groups * rows, width)


def _with_sinks(scores: Tensor, sinks: Tensor | None) -> Tensor:
    if sinks is None:
        return scores
    column = sinks.detach().to(scores).view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
    return torch.cat([scores, column], dim=-1)


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
