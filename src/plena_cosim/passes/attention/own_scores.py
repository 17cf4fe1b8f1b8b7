"""Families whose attention computes scores in code of its own, not by transformers' function.

Each is one object of the table at the end: what its own code does around the scores, which
AttentionCore computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim.golden import FormatError

from .core import AttentionCore
from .kv_writer import KvWriter

Rotary = Callable[..., Any]
"""A family's function of the rotary embedding, on quantised operands."""


class OwnScores:
    """One family. Its own code before the scores is repeated by `heads`, that after by `output`.

    Tensors of a call come by the names that they have in the family's forward.
    """

    def refusal(self, module: nn.Module) -> str | None:
        """Return why a module cannot be quantised inside, for a message; None: it can."""
        return None

    def turns(self, module: nn.Module) -> bool:
        """Return whether a module has a rotary embedding at all."""
        return False

    def heads(
        self, module: Any, given: Mapping[str, Any], rope: Rotary | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values of the new tokens, each (batch, heads, tokens, head_dim).

        Args:
            module: the attention module.
            given: the arguments of its forward.
            rope: turns queries and keys; None: its forward looks no such function up.
        """
        raise NotImplementedError

    def scale(self, module: Any) -> float:
        """Return what scores are multiplied by."""
        return float(module.inv_norm_factor)

    def allowed(self, given: Mapping[str, Any]) -> Tensor | None:
        """Return where a query attends a key, as the attention function takes it."""
        mask: Tensor | None = given["attention_mask"]
        return mask

    def bias(self, module: Any, given: Mapping[str, Any], keys: int) -> Tensor | None:
        """Return what is added to scaled scores, broadcastable to (batch, heads, queries, keys).

        Args:
            module: the attention module.
            given: the arguments of its forward.
            keys: how many there are, those in the cache included.

        Returns:
            None: nothing is added.
        """
        return None

    def dropout(self, module: Any) -> float:
        """Return the dropout of probabilities."""
        return float(module.attention_dropout.p)

    def output(self, module: Any, merged: Tensor, given: Mapping[str, Any]) -> Tensor:
        """Return what the module returns first.

        Args:
            module: the attention module.
            merged: (batch, tokens, heads * head_dim).
            given: the arguments of its forward.
        """
        projected: Tensor = module.dense(merged)
        return projected

    def forward(
        self,
        module: Any,
        given: Mapping[str, Any],
        core: AttentionCore,
        *,
        writer: KvWriter,
        rope: Rotary | None,
    ) -> tuple[Tensor, Tensor]:
        """Run the module: what its forward does, with scores and outputs by `core`.

        Args:
            module: the attention module.
            given: the arguments of its forward.
            core: computes scores and outputs.
            writer: the way into the cache.
            rope: as for `heads`.

        Returns:
            Its output, (batch, tokens, hidden), and the probabilities.
        """
        query, key, value = self.heads(module, given, rope)
        key, value = writer.update(key, value, module.layer_idx)
        output, weights = core.attend(
            module,
            query,
            key,
            value,
            self.allowed(given),
            position_bias=self.bias(module, given, key.shape[-2]),
            scaling=self.scale(module),
            dropout=self.dropout(module),
        )
        return self.output(module, output.transpose(1, 2).flatten(2), given), weights


class _Bloom(OwnScores):
    """Bloom: ALiBi, counted from the first token."""

    def refusal(self, module: Any) -> str | None:
        """Return that the output projection would be multiplied slice by slice."""
        if module.pretraining_tp > 1 and module.slow_but_exact:
            return "its slow_but_exact multiplies slices of the output projection; set it to False"
        return None

    def heads(
        self, module: Any, given: Mapping[str, Any], rope: Rotary | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three parts of the fused projection, which lie head by head."""
        query, key, value = module._reshape(module.query_key_value(given["hidden_states"]))
        return query, key, value

    def bias(self, module: Any, given: Mapping[str, Any], keys: int) -> Tensor | None:
        """Return slope times position, which the model gives as (batch * heads, 1, keys)."""
        alibi: Tensor = given["alibi"]
        return alibi.view(-1, module.num_heads, *alibi.shape[1:])

    def output(self, module: Any, merged: Tensor, given: Mapping[str, Any]) -> Tensor:
        """Return the projection on top of the residual stream."""
        dropped = functional.dropout(module.dense(merged), module.hidden_dropout, module.training)
        residual: Tensor = given["residual"]
        return residual + dropped


class _Falcon(OwnScores):
    """Falcon: turned, or with ALiBi counted from the first token, scaled as scores are."""

    def turns(self, module: Any) -> bool:
        """Return whether it does without ALiBi."""
        return not module.config.alibi

    def heads(
        self, module: Any, given: Mapping[str, Any], rope: Rotary | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the parts of the fused projection, turned where there is no ALiBi."""
        split = module._split_heads(module.query_key_value(given["hidden_states"]))
        query, key, value = (part.transpose(1, 2) for part in split)
        if given["alibi"] is None and rope is not None:
            query, key = rope(query, key, *given["position_embeddings"])
        return query, key, value

    def allowed(self, given: Mapping[str, Any]) -> Tensor | None:
        """Return the mask without the bias that the model has put into it."""
        mask: Tensor | None = given.get("attention_mask")
        if mask is None or given["alibi"] is None:
            return mask
        return mask[:, :1] > torch.finfo(mask.dtype).min / 2

    def bias(self, module: Any, given: Mapping[str, Any], keys: int) -> Tensor | None:
        """Return slope times position, scaled as its mask has it: (batch, heads, 1, keys)."""
        alibi: Tensor | None = given["alibi"]
        return None if alibi is None else alibi / math.sqrt(module.head_dim)


class _Mpt(OwnScores):
    """MPT: ALiBi, counted back from the last key that a query attends."""

    def heads(
        self, module: Any, given: Mapping[str, Any], rope: Rotary | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the thirds of the fused projection, clamped where the model does."""
        mixed = module.Wqkv(given["hidden_states"])
        if module.clip_qkv:
            mixed = mixed.clamp(min=-module.clip_qkv, max=module.clip_qkv)
        query, key, value = (
            part.unflatten(-1, (module.n_heads, module.head_dim)).transpose(1, 2)
            for part in mixed.chunk(3, dim=-1)
        )
        return query, key, value

    def scale(self, module: Any) -> float:
        """Return its own factor."""
        return float(module.softmax_scale)

    def allowed(self, given: Mapping[str, Any]) -> Tensor | None:
        """Return the opposite of its mask, which says where a query attends nothing."""
        mask: Tensor | None = given.get("attention_mask")
        return None if mask is None else ~mask.bool()

    def bias(self, module: Any, given: Mapping[str, Any], keys: int) -> Tensor | None:
        """Return slope times distance from the last key that is attended, of a table of distances.

        The model counts from the last key that there is, padding and free places of a cache too:
        the same scores but for a constant, which would round otherwise.
        """
        table: Tensor | None = given["position_bias"]
        if table is None:
            return None
        allowed = self.allowed(given)
        if allowed is None or keys > table.shape[-1]:
            return table[None, :, :, -keys:]
        places = torch.arange(keys, device=table.device)
        used = allowed[..., :keys].any(dim=2).any(dim=1)
        back = ((used * places).amax(dim=-1, keepdim=True) - places).clamp(min=0)
        return table[:, 0, table.shape[-1] - 1 - back].transpose(0, 1)[:, :, None]

    def dropout(self, module: Any) -> float:
        """Return its own."""
        return float(module.attn_dropout_p)

    def output(self, module: Any, merged: Tensor, given: Mapping[str, Any]) -> Tensor:
        """Return the projection."""
        projected: Tensor = module.out_proj(merged)
        return projected


@dataclass(frozen=True, kw_only=True)
class ScoresMethod:
    """A family in which a method does all that follows the cache; `attend` takes its place.

    Attributes:
        root: name of the number that its modules divide scores by; None: they do not.
        dropout: name of their dropout of probabilities.
        window: name of their table, (1, 1, positions, positions) bool, of where a query attends a
            key, which counts keys from the first that is cached; None: the mask says it all.
        method: name of the method, which is given queries, keys, values and a mask.
    """

    root: str | None
    dropout: str
    window: str | None = None
    method: str = "_attn"

    def attend(
        self, module: Any, core: AttentionCore, qkv: tuple[Tensor, Tensor, Tensor], mask: Any
    ) -> tuple[Tensor, Tensor]:
        """Return outputs (batch, heads, queries, head_dim) and probabilities, found in float32.

        Args:
            module: the attention module.
            core: computes scores and outputs.
            qkv: queries, keys and values, (batch, heads, tokens, head_dim).
            mask: additive, or None.
        """
        if self.window is not None:
            mask = _within(getattr(module, self.window), qkv, mask)
        query, key, value = (part.to(torch.float32) for part in qkv)
        output, weights = core.attend(
            module,
            query,
            key,
            value,
            mask,
            scaling=1.0 if self.root is None else 1 / getattr(module, self.root),
            dropout=getattr(module, self.dropout).p,
        )
        return output.to(qkv[2].dtype), weights

    def check_cache(self, cache: Any, where: str) -> None:
        """Refuse a cache with free places behind the last key, where a table counts keys.

        Args:
            cache: of transformers, or None.
            where: for messages.

        Raises:
            FormatError: the cache is of a fixed size.
        """
        layers = getattr(cache, "layers", ())
        if self.window is not None and any(hasattr(layer, "max_cache_len") for layer in layers):
            raise FormatError(
                f"{where}: the model takes the last place of its cache for the newest token, and a "
                f"{type(cache).__name__} has free places there; give the model a DynamicCache"
            )


def _within(table: Tensor, qkv: tuple[Tensor, Tensor, Tensor], mask: Tensor | None) -> Tensor:
    """Return a mask that also shuts what a table of positions shuts."""
    queries, keys = qkv[0].shape[-2], qkv[1].shape[-2]
    allowed = table[:, :, keys - queries : keys, :keys]
    if mask is None:
        return allowed
    mask = mask[..., :keys]
    if mask.dtype == torch.bool:
        return mask & allowed
    return mask.masked_fill(~allowed, torch.finfo(mask.dtype).min)


_GPTJ = ScoresMethod(root="scale_attn", dropout="attn_dropout")
_FAMILIES: dict[str, OwnScores | ScoresMethod] = {
    "bloom.modeling_bloom.BloomAttention": _Bloom(),
    "codegen.modeling_codegen.CodeGenAttention": _GPTJ,
    "falcon.modeling_falcon.FalconAttention": _Falcon(),
    "gpt_neox_japanese.modeling_gpt_neox_japanese.GPTNeoXJapaneseAttention": ScoresMethod(
        root="norm_factor", dropout="attention_dropout"
    ),
    "gpt_neo.modeling_gpt_neo.GPTNeoSelfAttention": ScoresMethod(
        root=None, dropout="attn_dropout", window="bias"
    ),
    "gptj.modeling_gptj.GPTJAttention": _GPTJ,
    "mpt.modeling_mpt.MptAttention": _Mpt(),
}
"""By class of transformers.models; it is whose forward a module runs that counts."""


def own_scores(forward: Callable[..., Any]) -> OwnScores | ScoresMethod | None:
    """Return the family of a forward that computes scores itself; None: it is not in the table.

    Args:
        forward: of an attention module's class, without wrappers.
    """
    name = getattr(forward, "__qualname__", "")
    owner = f"{getattr(forward, '__module__', '')}.{name.removesuffix('.forward')}"
    return _FAMILIES.get(owner.removeprefix("transformers.models."))
