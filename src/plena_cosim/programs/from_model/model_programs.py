"""ModelPrograms: a model's image, and a program for each step: a prompt, then token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor as TorchTensor

from plena_cosim import fakequant
from plena_cosim.golden import Minifloat, MxArray
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.passes.modules.exact_linear import ExactLinear
from plena_cosim.passes.modules.quant_embedding import QuantEmbedding
from plena_cosim.passes.modules.quant_norm import QuantNorm
from plena_cosim.passes.weights.element_codes import block_codes, scalar_codes
from plena_cosim.passes.weights.packed_weight import PackedWeight

from .. import by_rows
from ..attention import Operands, causal, mask_of
from ..builder import Builder
from ..decoder_layer import Between, Layer, Linear, Norm, Tables, decoder_layer
from ..embedding import embedding
from ..errors import ProgramError
from ..image import Array, Image, Tensor
from ..linear import linear
from ..padding import padded_heads, padded_inputs, padded_outputs
from ..rope import with_signs
from .parts import HEAD_NORMS, AttentionPart, ModelParts, dtype_of, role_of


@dataclass(frozen=True, kw_only=True)
class Step:
    """A program of some tokens.

    Attributes:
        name: of it.
        builder: the program; its image is that of all steps.
        tokens: that it reads.
        start: how many are cached before it.
        result: what it leaves in HBM, of V: logits of all of its tokens, or what comes out of the
            last layer.
    """

    name: str
    builder: Builder
    tokens: tuple[int, ...]
    start: int
    result: Tensor


class ModelPrograms:
    """A model's image, and programs that work on it one after the other.

    Args:
        parts: of the model.
        machine: sizes, memories and transfers; its types become those of the recipe.
        capacity: tokens that the caches hold.

    Raises:
        ProgramError, FormatError: what does not fit the machine.
    """

    def __init__(self, parts: ModelParts, machine: Machine, *, capacity: int) -> None:
        windows = [each.window for each in parts.attention if each.window is not None]
        if windows and capacity > min(windows):
            raise ProgramError(
                f"{capacity} tokens; the model's attention sees a window of {min(windows)}"
            )
        self.parts, self.capacity = parts, capacity
        self.machine = parts.machine(machine)
        self.image = Image(self.machine)
        self.v: Minifloat = parts.hw.vector_format
        self.layers = [
            self._layer(f"layers.{parts.first + index}", layer, part)
            for index, (layer, part) in enumerate(zip(parts.layers, parts.attention, strict=True))
        ]
        self.table: Tensor | None = None
        if parts.whole:
            network: Any = parts.network
            self.table = self.image.matrix("embedding", *self._table(network))
            self.norm = self._norm("norm", network.model.norm)
            self.head = self._linear("lm_head", network.lm_head)
        self.steps: list[Step] = []

    # ------------------------------------------------------------------------- the image

    def codes(self, values: TorchTensor) -> Array:
        """Return codes of V of values, each cast to it."""
        found: Array = scalar_codes(fakequant.cast(values.detach(), self.v), self.v).numpy()
        return found

    def _table(self, network: Any) -> tuple[Array, tuple[int, int]]:
        codes = self.codes(network.get_input_embeddings().weight)
        return codes, (codes.shape[0], codes.shape[1])

    def _norm(self, name: str, module: QuantNorm) -> Norm:
        codes = self.codes(module.weight)[None]
        gain = self.image.matrix(name, codes, (1, codes.shape[1]))
        return Norm(gain=gain, eps=module.eps, inputs=role_of(module, self.v))

    def _linear(
        self, name: str, module: ExactLinear, *, outputs: int | None = None, inputs: int = 0
    ) -> Linear:
        """Put a linear layer into the image.

        Args:
            name: of the weight.
            module: the layer.
            outputs: heads that its outputs are; None: none.
            inputs: heads that its inputs are; 0: none.
        """
        vlen, weight = self.machine.hardware.vlen, mx_array(module.stored)
        bias = None if module.bias is None else self.codes(module.bias)[None]
        if inputs:
            weight = padded_inputs(weight, inputs, vlen)
        if outputs is not None:
            weight = padded_outputs(weight, outputs, vlen)
            bias = None if bias is None else padded_heads(bias, outputs, vlen)
        row = None
        if bias is not None:
            row = self.image.matrix(f"{name}.bias", bias, (1, bias.shape[1]))
        return Linear(
            weight=self.image.weight(name, weight),
            bias=row,
            operand=self.image.number(module.data_in, role="activation"),
        )

    def _layer(self, name: str, layer: Any, part: AttentionPart) -> Layer:
        inner, mlp, heads = layer.self_attn, layer.mlp, part.heads
        wide = heads.padded(self.machine.hardware.vlen)
        shape = self.capacity, heads.key * wide
        norms = {
            each: self._norm(f"{name}.{each}", getattr(inner, each))
            for each in HEAD_NORMS
            if hasattr(inner, each)
        }
        return Layer(
            before=self._norm(f"{name}.input_layernorm", layer.input_layernorm),
            between=self._norm(f"{name}.post_attention_layernorm", layer.post_attention_layernorm),
            q=self._linear(f"{name}.q_proj", inner.q_proj, outputs=heads.query),
            k=self._linear(f"{name}.k_proj", inner.k_proj, outputs=heads.key),
            v=self._linear(f"{name}.v_proj", inner.v_proj, outputs=heads.key),
            o=self._linear(f"{name}.o_proj", inner.o_proj, inputs=heads.query),
            gate=self._linear(f"{name}.gate_proj", mlp.gate_proj),
            up=self._linear(f"{name}.up_proj", mlp.up_proj),
            down=self._linear(f"{name}.down_proj", mlp.down_proj),
            heads=heads,
            types=Operands(
                scores=self.image.number(part.scores), outputs=self.image.number(part.outputs)
            ),
            scale=part.scale,
            keys=self.image.cache(f"{name}.keys", shape, part.stored),
            values=self.image.cache(f"{name}.values", shape, part.stored),
            activated_as=role_of(mlp.act_fn, self.v),
            turned_as=part.rope,
            **norms,
        )

    # ---------------------------------------------------------------------- the programs

    def step(
        self,
        tokens: Sequence[int],
        *,
        inputs: Array | None = None,
        name: str | None = None,
    ) -> Step:
        """Write the program of the next tokens.

        Args:
            tokens: what is read behind all that steps before have read.
            inputs: codes of V, (tokens, hidden): what enters the first layer, where the embedding
                is no part of the programs.
            name: of the step; "prefill" or "decode" and a number when None.

        Returns:
            The step, which is the last of `steps` then.

        Raises:
            ProgramError: more tokens than the caches hold.
        """
        start = sum(len(step.tokens) for step in self.steps)
        count, end = len(tokens), start + len(tokens)
        if not 0 < count <= self.capacity - start:
            raise ProgramError(f"{count} tokens behind {start}; the caches hold {self.capacity}")
        name = name or (f"decode {len(self.steps)}" if self.steps else "prefill")
        b = Builder(self.machine, self.image, name)
        x = self.image.matrix(b.named("x"), inputs, (count, self.parts.width))
        if self.table is not None:
            with b.part("embedding"):
                embedding(b, self.table, tokens, x, factor=self._factor())
        tables = {
            role: self._tables(b, role, start, end)
            for role in dict.fromkeys(layer.turned_as for layer in self.layers)
        }
        between = Between(self.image, b.named("between"), count, self.layers[0])
        for index, layer in enumerate(self.layers):
            with b.part(f"layer {self.parts.first + index}"):
                decoder_layer(b, layer, x, tables[layer.turned_as], between)
        result = x
        if self.table is not None:
            result = self._head(b, x, between)
        made = Step(name=name, builder=b, tokens=tuple(tokens), start=start, result=result)
        self.steps.append(made)
        return made

    def _factor(self) -> float:
        embedded: Any = self.parts.network.get_input_embeddings()  # type: ignore[operator]
        return embedded.scale if isinstance(embedded, QuantEmbedding) else 1.0

    def _head(self, b: Builder, x: Tensor, between: Between) -> Tensor:
        logits = self.image.matrix(b.named("logits"), None, (x.rows, self.head.weight.rows))
        with b.part("last norm"):
            cast = between.cast(b, x, self.norm.inputs)
            by_rows.rms_norm(b, cast, self.norm.gain, self.norm.eps, between.normed)
        with b.part("head"):
            by = self.head
            linear(b, between.normed, by.weight, logits, bias=by.bias, operand=by.operand)
        return logits

    def _tables(self, b: Builder, role: Minifloat | None, start: int, end: int) -> Tables:
        stack: Any = self.parts.stack
        like = torch.zeros(1, 1, dtype=dtype_of(self.parts.network))
        with torch.no_grad():
            cos, sin = (x[0] for x in stack.rotary_emb(like, torch.arange(start, end)[None]))
        size, name = self.layers[0].heads.size, "" if role is None else f" {role.name}"
        if cos.shape[-1] != size:
            raise ProgramError(
                f"model.rotary_emb turns {cos.shape[-1]} of the {size} elements of a head"
            )
        if role is not None:
            cos, sin = fakequant.cast(cos, role), fakequant.cast(sin, role)
        tables = self.codes(cos), with_signs(self.codes(sin), size, self.v)
        made = [
            self.image.matrix(b.named(f"{each}{name}"), codes, (end - start, size))
            for each, codes in zip(("cos", "sin"), tables, strict=True)
        ]
        mask = mask_of(b, f"mask{name}", causal(end - start, end))
        return Tables(cos=made[0], sin=made[1], mask=mask, start=start)


def mx_array(stored: PackedWeight) -> MxArray:
    """Return a weight's codes and scales."""
    mx = stored.mx()
    codes = block_codes(mx.values, mx.scales, mx.mx, mx.axis).numpy()
    return MxArray(codes=codes, scales=mx.scales.numpy(), mx=mx.mx, axis=mx.axis)
