"""What a quantised model is made of, as far as programs can say it; the rest is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.fakequant.cast import native_dtype
from plena_cosim.golden import FixedPoint, HardwareConfig, Minifloat, Mx, ScaleRule, mxint
from plena_cosim.golden.isa.machine import FIRST_OWN, Machine, Type, contains
from plena_cosim.passes.attention.core import AttentionCore
from plena_cosim.passes.attention.hooks import core_of
from plena_cosim.passes.modules.exact_linear import ExactLinear
from plena_cosim.passes.modules.operand import DEFAULT_BLOCK, WIDEST_BITS
from plena_cosim.passes.modules.quant_activation import QuantActivation
from plena_cosim.passes.modules.quant_embedding import QuantEmbedding
from plena_cosim.passes.modules.quant_norm import QuantNorm
from plena_cosim.passes.recipe.formats import CastFormat, KvPosition
from plena_cosim.passes.recipe.recipe import Phase

from ..attention import Heads
from ..errors import ProgramError

LAYERS = ("LlamaDecoderLayer", "MistralDecoderLayer", "Qwen2DecoderLayer", "Qwen3DecoderLayer")
"""Layers whose steps are those of `decoder_layer`."""
HEAD_NORMS = ("q_norm", "k_norm")
_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class AttentionPart:
    """Attention of a layer.

    Attributes:
        heads: how many, and their size.
        stored: what keys and values are cached as; V where the recipe gives no cache.
        scores, outputs: formats of the operands of the two products.
        rope: the scalar format of the rotary embedding's operands, other than V; else None.
        scale: of scores.
        window: of keys that a query sees; None: all before it.
    """

    heads: Heads
    stored: Type
    scores: Mx
    outputs: Mx
    rope: Minifloat | None
    scale: float
    window: int | None


@dataclass(frozen=True, kw_only=True)
class ModelParts:
    """A model that programs can be written of.

    Attributes:
        network: the model, quantised, with exact numerics.
        hw: the machine.
        first, last: of its layers; both are part of it.
        whole: the embedding, the last norm and the head are, too.
        attention: of each of these layers.
    """

    network: nn.Module
    hw: HardwareConfig
    first: int
    last: int
    whole: bool
    attention: tuple[AttentionPart, ...]

    @property
    def stack(self) -> Any:
        """The model without its head."""
        return self.network.model

    @property
    def layers(self) -> list[Any]:
        """The layers that are part of it."""
        return list(self.stack.layers)[self.first : self.last + 1]

    @property
    def width(self) -> int:
        """Elements of a row between layers."""
        return int(self.network.config.hidden_size)  # type: ignore[union-attr, arg-type]

    def linears(self) -> Iterator[ExactLinear]:
        """Yield its linear layers."""
        for layer in self.layers:
            for owner, names in (
                (layer.self_attn, ("q_proj", "k_proj", "v_proj", "o_proj")),
                (layer.mlp, ("gate_proj", "up_proj", "down_proj")),
            ):
                for name in names:
                    yield getattr(owner, name)
        if self.whole:
            yield self.network.lm_head  # type: ignore[misc]

    def roles(self) -> Iterator[Minifloat]:
        """Yield the scalar formats other than V that inputs of norms and activations come in."""
        modules = [self.stack.norm] if self.whole else []
        for layer in self.layers:
            modules += [layer.input_layernorm, layer.post_attention_layernorm, layer.mlp.act_fn]
            inner = layer.self_attn
            modules += [getattr(inner, name) for name in HEAD_NORMS if hasattr(inner, name)]
        for module in modules:
            fmt = role_of(module, self.hw.vector_format)
            if fmt is not None:
                yield fmt
        for each in self.attention:
            if each.rope is not None:
                yield each.rope

    def machine(self, given: Machine) -> Machine:
        """Return a machine with the types that the recipe asks for.

        Args:
            given: whose sizes, memories and transfers it has.

        Raises:
            ProgramError: more types than a machine has.
        """
        linears = list(self.linears())
        weight, activation = linears[0].stored.fmt, linears[0].data_in
        v, kv = self.hw.vector_format, self.attention[0].stored
        known: list[Type] = [activation, kv, v]
        own: list[Type] = []
        for_tiles: list[Any] = [each.stored.fmt for each in linears]
        for_rows: list[Type] = [each.data_in for each in linears]
        for_both: list[Type] = [*self.roles()]
        for part in self.attention:
            for_both += [part.stored, part.scores, part.outputs]
        for wanted, there in (
            (for_tiles, [weight, *known[1:]]),
            (for_rows, known),
            (for_both, known[1:]),
        ):
            for fmt in wanted:
                if fmt not in there and fmt not in own:
                    own.append(fmt)
        if FIRST_OWN + len(own) > _MOST_TYPES:
            names = ", ".join(fmt.name for fmt in own)
            raise ProgramError(
                f"the recipe needs {FIRST_OWN + len(own)} types; a machine has {_MOST_TYPES}. "
                f"Besides weights, activations, cache and vectors: {names}"
            )
        assert isinstance(weight, Mx)
        return replace(
            given, hardware=self.hw, weight=weight, activation=activation, kv=kv, own=tuple(own)
        )


_MOST_TYPES = 8


def role_of(module: Any, v: Minifloat) -> Minifloat | None:
    """Return the scalar format that a norm's or activation's input is cast to, other than V."""
    fmt = module.formats.data_in if isinstance(module, QuantNorm) else module.fmt
    return _scalar(fmt, v)


def _scalar(fmt: Any, v: Minifloat) -> Minifloat | None:
    if fmt is None or contains(fmt.fmt, v):
        return None
    found: Minifloat = fmt.fmt
    return found


def parts_of(
    network: Any, hw: HardwareConfig, *, layers: tuple[int, int] | None = None
) -> ModelParts:
    """Return what a model is made of.

    Args:
        network: a causal language model of transformers, quantised with exact numerics on `hw`.
        hw: the machine.
        layers: the first and the last that count, without embedding and head; None: the model.

    Raises:
        ProgramError: what programs cannot say, by the names of the modules.
    """
    stack = getattr(network, "model", None)
    found = getattr(stack, "layers", None)
    if not isinstance(found, nn.ModuleList) or not len(found):
        raise ProgramError(
            f"{type(network).__name__} is no decoder with its layers at model.layers"
        )
    first, last = layers or (0, len(found) - 1)
    if not 0 <= first <= last < len(found):
        raise ProgramError(f"layers {first} to {last}; the model has 0 to {len(found) - 1}")
    problems: list[str] = []
    parts = []
    for index in range(first, last + 1):
        part = _layer(f"model.layers.{index}", found[index], network, hw, problems)
        if part is not None:
            parts.append(part)
    native = native_dtype(hw.vector_format)
    dtype = dtype_of(network)
    if dtype != native:
        need = "fp16 or bf16 as the vector format" if native is None else f"it loaded in {native}"
        problems.append(f"the model is {dtype}, whose residual sums are no machine's; need {need}")
    if layers is None:
        _ends(network, hw, problems)
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ProgramError(f"no program of this model: {'; '.join(problems[:_SHOWN])}{more}")
    return ModelParts(
        network=network,
        hw=hw,
        first=first,
        last=last,
        whole=layers is None,
        attention=tuple(parts),
    )


def dtype_of(network: Any) -> torch.dtype:
    """Return the dtype of what goes from layer to layer."""
    embedding = network.get_input_embeddings()
    found: torch.dtype = (
        embedding.dtype if isinstance(embedding, QuantEmbedding) else embedding.weight.dtype
    )
    return found


def _ends(network: Any, hw: HardwareConfig, problems: list[str]) -> None:
    embedding, stack = network.get_input_embeddings(), network.model
    if not isinstance(embedding, (nn.Embedding, QuantEmbedding)):
        problems.append(f"model.embed_tokens: {type(embedding).__name__} is no table")
    _norm("model.norm", getattr(stack, "norm", None), hw, problems)
    _linear("lm_head", getattr(network, "lm_head", None), problems)
    known = {"embed_tokens", "layers", "norm", "rotary_emb"}
    problems += [
        f"model.{name}: not known" for name, _ in stack.named_children() if name not in known
    ]


def _layer(
    where: str, layer: Any, network: Any, hw: HardwareConfig, problems: list[str]
) -> AttentionPart | None:
    name = type(layer).__name__
    if name not in LAYERS:
        problems.append(f"{where}: {name}; known are {', '.join(LAYERS)}")
        return None
    attention, mlp = layer.self_attn, layer.mlp
    for owner, inner, names in (
        (f"{where}.self_attn", attention, ("q_proj", "k_proj", "v_proj", "o_proj")),
        (f"{where}.mlp", mlp, ("gate_proj", "up_proj", "down_proj")),
    ):
        for each in names:
            _linear(f"{owner}.{each}", getattr(inner, each, None), problems)
    for each in ("input_layernorm", "post_attention_layernorm"):
        _norm(f"{where}.{each}", getattr(layer, each), hw, problems)
    for each in HEAD_NORMS:
        if hasattr(attention, each):
            _norm(f"{where}.self_attn.{each}", getattr(attention, each), hw, problems)
    activation = getattr(mlp, "act_fn", None)
    if not isinstance(activation, QuantActivation) or activation.operation != "silu":
        problems.append(f"{where}.mlp.act_fn: no SiLU with exact numerics; select {where}.mlp")
    elif activation.fmt is not None and not isinstance(activation.fmt, CastFormat):
        problems.append(f"{where}.mlp.act_fn: inputs in {activation.fmt.name}, not a scalar format")
    return _attention(f"{where}.self_attn", attention, network, hw, problems)


def _linear(where: str, module: Any, problems: list[str]) -> None:
    if not isinstance(module, ExactLinear):
        problems.append(f"{where}: no linear layer with exact numerics; select it in the recipe")
    elif module.rotation is not None:
        problems.append(f"{where}: rotates its inputs")
    elif not isinstance(module.input, Mx):
        problems.append(f"{where}: other formats in prefill and decode")
    else:
        _deterministic(where, problems, module.input, module.stored.fmt)


def _norm(where: str, module: Any, hw: HardwareConfig, problems: list[str]) -> None:
    if not isinstance(module, QuantNorm) or module.hw is None or module.centred:
        problems.append(f"{where}: no RMSNorm with exact numerics; select it in the recipe")
    elif module.formats.data_in is not None and not isinstance(module.formats.data_in, CastFormat):
        problems.append(f"{where}: inputs in {module.formats.data_in.name}, not a scalar format")


def _deterministic(where: str, problems: list[str], *formats: Any) -> None:
    for fmt in formats:
        if getattr(getattr(fmt, "rounding", None), "value", "") == "stochastic":
            problems.append(f"{where}: {fmt.name} rounds at random")


def _attention(
    where: str, module: Any, network: Any, hw: HardwareConfig, problems: list[str]
) -> AttentionPart | None:
    core = core_of(module)
    if not isinstance(core, AttentionCore) or core.hw is None:
        problems.append(f"{where}: no attention with exact numerics; select it in the recipe")
        return None
    prefill, decode = (core.formats[phase] for phase in Phase)
    v, config = hw.vector_format, network.config
    reasons = []
    if prefill != decode:
        reasons.append("other formats in prefill and decode")
    if prefill.kv_position is not KvPosition.POST_ROPE:
        reasons.append("keys are cached before they are turned")
    if prefill.qk_rotate or prefill.av_rotate or prefill.kv_rotate:
        reasons.append("rotations")
    if prefill.softmax_out is not None or _scalar(prefill.softmax, v) is not None:
        reasons.append("scores or probabilities in a format of their own")
    if getattr(module, "sinks", None) is not None:
        reasons.append("sinks")
    size = int(module.head_dim)
    if size & (size - 1):
        reasons.append(f"heads of {size} elements, no power of two")
    products: list[Mx] = []
    for fmt in (prefill.qk_matmul, prefill.av_matmul):
        if fmt is not None and not isinstance(fmt, Mx):
            reasons.append(f"operands in {fmt.name}")
        products.append(
            fmt if isinstance(fmt, Mx) else mxint(WIDEST_BITS, block_size=DEFAULT_BLOCK)
        )
    stored: Any = prefill.kv_cache
    if isinstance(stored, CastFormat):
        stored = stored.fmt
    stored = v if stored is None else stored
    if not isinstance(stored, (Mx, Minifloat)):
        reasons.append(f"a cache in {stored.name}")
    if core.reads_cache and isinstance(stored, Mx) and _moves(stored):
        reasons.append(f"keys in {stored.name}, which changes its own values")
    blocks = [fmt.block_size for fmt in products]
    if isinstance(module.o_proj, ExactLinear):
        blocks.append(module.o_proj.data_in.block_size)
    reasons += [f"heads of {size} in blocks of {block}" for block in blocks if size % block]
    _deterministic(where, problems, *products, stored)
    problems += [f"{where}: {reason}" for reason in reasons]
    if reasons:
        return None
    query = config.num_attention_heads
    key = getattr(config, "num_key_value_heads", None) or query
    return AttentionPart(
        heads=Heads(query=query, key=key, size=size),
        stored=stored,
        scores=products[0],
        outputs=products[1],
        rope=_scalar(prefill.rope, v),
        scale=float(module.scaling),
        window=getattr(module, "sliding_window", getattr(config, "sliding_window", None)),
    )


def _moves(mx: Mx) -> bool:
    """Return whether values of a format, quantised again, may become others."""
    fixed = isinstance(mx.element, FixedPoint)
    return mx.scale_rule is ScaleRule.CLIP or (
        fixed and (mx.scale_rule is ScaleRule.MASE or not mx.symmetric)
    )


def bias_of(module: ExactLinear) -> Tensor | None:
    """Return a linear layer's bias as values of V."""
    return module.bias
