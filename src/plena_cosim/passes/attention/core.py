"""AttentionCore: what happens between the projections of one attention module."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim import fakequant
from plena_cosim.fakequant.backend import part_of
from plena_cosim.golden import FormatError, HardwareConfig, Minifloat, Mx
from plena_cosim.golden.affine import Grouping
from plena_cosim.golden.blocks import TwoLevel

from ..modules.operand import DEFAULT_BLOCK, fake_quantize
from ..modules.phase import PhaseClock
from ..modules.vector_unit import VectorUnit
from ..recipe.formats import AttentionFormats, KvPosition
from ..recipe.recipe import KvHandover, Phase
from ..recipe.spec_format import SpecFormat
from .align_keys import align
from .arithmetic import QueryChunk, attend_exact, attend_fake
from .kv_writer import KvWriter
from .rotary import KEYS, TABLES, TURNED, each_part
from .rotation import Rotator, holds_latents

_WRITTEN_IN = "plena_phase"
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

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come out of a pickle: in another process, transformers has not heard of us yet."""
        from .hooks import register

        self.__dict__.update(state)
        register()

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
        """Return a model's own function of the rotary embedding, on quantised operands.

        Args:
            rope: turns queries and keys, or one tensor, by tables; `TURNED` and `TABLES` are what
                such functions call them.
            writer: is told where keys have been quantised before they are turned.
        """
        formats, signature = self.now, inspect.signature(rope)

        @part_of("rope")
        def turned(*args: Any, **kwargs: Any) -> Any:
            call = signature.bind(*args, **kwargs)
            given = call.arguments
            names = [name for name, x in given.items() if name in TURNED and x is not None]
            dtypes = [given[name].dtype for name in names]
            key = next((name for name in names if name in KEYS), None)
            if formats.kv_position is KvPosition.PRE_ROPE and key is not None:
                writer.turned = given[key].shape[-1]
                given[key] = self.cached_keys(given[key])
            for name in [*names, *(name for name in given if name in TABLES)]:
                given[name] = each_part(given[name], lambda x: fake_quantize(x, formats.rope))
            if self.hw is None:
                return rope(*call.args, **call.kwargs)
            results = self._turn(rope, call, self.hw.vector_format)
            back = [x.to(dtype) for x, dtype in zip(results, dtypes, strict=True)]
            return tuple(back) if len(back) > 1 else back[0]

        return turned

    @torch.no_grad()
    def _turn(
        self, rope: Callable[..., Any], call: inspect.BoundArguments, vector: Minifloat
    ) -> list[Tensor]:
        """Return what a rotary embedding turns, by the vector unit."""
        for name, given in call.arguments.items():
            if given is not None and (name in TURNED or name in TABLES):
                call.arguments[name] = each_part(given, lambda x: fakequant.cast(x, vector))
        with VectorUnit(vector):
            found = rope(*call.args, **call.kwargs)
        results = [found] if isinstance(found, Tensor) else list(found)
        for result in results:
            _require_rounded(result, vector, self.where)
        return results

    @part_of("kv_cache")
    def cached_keys(self, keys: Tensor) -> Tensor:
        """Return new keys as the cache holds them; they come from the vector unit."""
        return self.rotator.cached(self._vector(keys), self.now.key_basis)

    @part_of("kv_cache")
    def cached_values(self, values: Tensor) -> Tensor:
        """Return new values as the cache holds them; they come from the vector unit."""
        return self.rotator.cached(self._vector(values), self.now.value_basis)

    @part_of("kv_cache")
    def cached_again(self, x: Tensor) -> Tensor:
        """Return keys or values that another phase has cached as this one's cache holds them."""
        return self.rotator.cached_again(self._vector(x))

    def hand_over(self, layer: Any) -> None:
        """Bring what a prefill has cached to the format of decode, once, when decoding begins.

        The layer of the cache itself says which phase wrote it: one model may serve many caches.

        Args:
            layer: of a cache, before new keys and values are written.
        """
        requantizes = self.clock.handover is KvHandover.REQUANTIZE
        before = getattr(layer, _WRITTEN_IN, None)
        if requantizes and before is Phase.PREFILL and self.clock.now is Phase.DECODE:
            layer.keys = self.cached_again(layer.keys)
            layer.values = self.cached_again(layer.values)

    def mark(self, layer: Any) -> None:
        """Note in a layer of a cache which phase has written it last."""
        setattr(layer, _WRITTEN_IN, self.clock.now)

    def _vector(self, x: Tensor) -> Tensor:
        if self.hw is None:
            return x
        return fakequant.cast(x, self.hw.vector_format).to(x.dtype)

    # ------------------------------------------------------------------- scores and outputs

    def leaves_attention(self) -> bool:
        """Whether the model's own attention function does the rest."""
        formats = self.now
        quantised = (
            formats.qk_matmul,
            formats.av_matmul,
            formats.softmax,
            formats.softmax_out,
        )
        return self.hw is None and all(fmt is None for fmt in quantised)

    @part_of("attention")
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
        position_bias: Tensor | None = None,
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
            position_bias: added to scaled scores, (batch or 1, heads, queries or 1, keys).
            _: what else models give their attention function, which changes nothing.

        Raises:
            FormatError: the model trains with dropout, the mask adds a bias to scores, or the bias
                is for other keys.
        """
        if dropout and module.training:
            raise FormatError(f"{self.where}: attention dropout cannot be quantised; set it to 0")
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        query = self.rotator.to_keys(query)
        allowed = None if mask is None else _allowed(mask, key.shape[-2], self.where)
        bias = position_bias
        if bias is not None and bias.shape[-1] != key.shape[-2]:
            raise FormatError(
                f"{self.where}: the model gives a bias for {bias.shape[-1]} keys, and its cache "
                f"holds {key.shape[-2]}; take a cache that grows, or a shorter text"
            )
        key, value, allowed, bias = align(key, value, allowed, bias)
        weights = query.new_zeros(*query.shape[:3], key.shape[-2])
        outputs = []
        at_a_time = self._queries_at_a_time(query.shape[2])
        for start in range(0, query.shape[2], at_a_time):
            rows = slice(start, start + at_a_time)
            shown = None if allowed is None else allowed[:, :, rows]
            keys = self._keys_for(shown, key.shape[-2])
            portion = QueryChunk(
                query=query[:, :, rows],
                key=key[:, :, :keys],
                value=value[:, :, :keys],
                allowed=None if shown is None else shown[..., :keys],
                scale=scale,
                softcap=softcap,
                sinks=getattr(module, "sinks", None),
                bias=_of_rows(bias, rows, keys),
                reads_cache=self.reads_cache and not holds_latents(module),
            )
            output, weights[:, :, rows, :keys] = self._portion(portion)
            outputs.append(output)
        output = self.rotator.from_values(torch.cat(outputs, dim=2))
        return output.to(query.dtype), weights

    def _portion(self, portion: QueryChunk) -> tuple[Tensor, Tensor]:
        if self.hw is None:
            return attend_fake(portion, self.rotator)
        return attend_exact(portion, self.rotator, self.hw, self.where)

    def _queries_at_a_time(self, queries: int) -> int:
        """Return all where probabilities of all queries share a scale that follows from them."""
        fmt = self.now.softmax_out
        shared = isinstance(fmt, SpecFormat) and any(
            stage.range is None
            and not isinstance(stage.fmt, Minifloat)
            and (
                isinstance(stage.fmt, TwoLevel)
                or (stage.granularity.kind, stage.granularity.ch_axis) != (Grouping.GROUP, -1)
            )
            for stage in fmt.stages
        )
        return max(queries, 1) if shared else QUERIES

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


def _of_rows(bias: Tensor | None, rows: slice, keys: int) -> Tensor | None:
    """Return the bias of some queries and of the first keys."""
    if bias is None:
        return None
    return bias[..., rows if bias.shape[2] > 1 else slice(None), :keys]


def _require_rounded(x: Tensor, vector: Minifloat, where: str) -> None:
    """Raise FormatError where the rotary embedding took a step that was not rounded."""
    if not bool(((fakequant.cast(x, vector) == x) | x.isnan()).all()):
        raise FormatError(
            f"{where}: its rotary embedding is not made of sums, differences and products of "
            "tensors, and exact numerics cannot follow it; use fake numerics"
        )


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
