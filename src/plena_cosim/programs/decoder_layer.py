"""A decoder layer of a Llama-like model, from HBM to HBM."""

from __future__ import annotations

from dataclasses import dataclass

from ..golden import Minifloat
from . import by_rows
from .attention import Heads, Mask, Operands, attention
from .builder import Builder
from .image import Image, Tensor
from .linear import linear
from .rope import rope


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A linear layer in the image.

    Attributes:
        weight: (out, in), of a type for tiles.
        bias: (1, out), of V.
        operand: number of the type of inputs.
    """

    weight: Tensor
    bias: Tensor | None = None
    operand: int = 0


@dataclass(frozen=True, kw_only=True)
class Norm:
    """An RMSNorm in the image.

    Attributes:
        gain: (1, columns), of V.
        eps: added to the mean of squares.
        inputs: the scalar format that they are cast to first; None: they stay in V.
    """

    gain: Tensor
    eps: float
    inputs: Minifloat | None = None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A decoder layer in the image; heads are padded to whole vectors.

    Attributes:
        before, between: norms before attention and before the MLP.
        q, k, v, o, gate, up, down: linear layers.
        q_norm, k_norm: norms of each head of queries and keys; None: none.
        heads: of attention.
        types: that operands of attention are quantised to.
        scale: of scores.
        keys, values: where they are cached, (tokens, heads of keys).
        activated_as, turned_as: scalar formats that inputs of SiLU and of the rotary embedding are
            cast to first; None: they stay in V.
    """

    before: Norm
    between: Norm
    q: Linear
    k: Linear
    v: Linear
    o: Linear
    gate: Linear
    up: Linear
    down: Linear
    q_norm: Norm | None = None
    k_norm: Norm | None = None
    heads: Heads
    types: Operands
    scale: float
    keys: Tensor
    values: Tensor
    activated_as: Minifloat | None = None
    turned_as: Minifloat | None = None


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What depends on the places of tokens.

    Attributes:
        cos, sin: (tokens, head), of V; sines as `rope.with_signs` makes them.
        mask: what each token sees.
        start: tokens that are cached before these.
    """

    cos: Tensor
    sin: Tensor
    mask: Mask
    start: int


class Between:
    """Matrices between a layer's steps, for all layers of a program.

    Args:
        image: they are in.
        name: begins their names.
        rows: tokens.
        layer: whose sizes they have.
    """

    def __init__(self, image: Image, name: str, rows: int, layer: Layer) -> None:
        def room(what: str, columns: int) -> Tensor:
            return image.matrix(f"{name}.{what}", None, (rows, columns))

        hidden, mlp = layer.q.weight.columns, layer.gate.weight.rows
        queries, keys = layer.q.weight.rows, layer.k.weight.rows
        self.normed, self.summed = room("normed", hidden), room("summed", hidden)
        self.q, self.k, self.v = room("q", queries), room("k", keys), room("v", keys)
        self.attended = room("attended", queries)
        self.gate, self.up = room("gate", mlp), room("up", mlp)
        self._image, self._name = image, name
        self._cast: dict[tuple[str, int], Tensor] = {}

    def cast(self, b: Builder, x: Tensor, fmt: Minifloat | None) -> Tensor:
        """Write the cast of a matrix to a scalar format, and return it.

        Args:
            b: what is written to.
            x: of V.
            fmt: a scalar format of the machine; None: `x` itself is returned.
        """
        if fmt is None:
            return x
        key = fmt.name, x.columns
        if key not in self._cast:
            name = f"{self._name}.{fmt.name} {x.columns}"
            shape = x.rows, x.columns
            self._cast[key] = self._image.matrix(name, None, shape, type_=fmt)
        by_rows.copy(b, x, self._cast[key])
        return self._cast[key]


def decoder_layer(b: Builder, layer: Layer, x: Tensor, t: Tables, between: Between) -> None:
    """Bring the residual stream through a layer.

    Args:
        b: what is written to.
        layer: its weights, formats and caches.
        x: (tokens, hidden), of V: the input, and then the result.
        t: rotary tables and mask of these tokens.
        between: room for what lies between steps.
    """
    m = between

    def project(name: str, x: Tensor, by: Linear, y: Tensor) -> None:
        with b.part(name):
            linear(b, x, by.weight, y, bias=by.bias, operand=by.operand)

    with b.part("input norm"):
        cast = m.cast(b, x, layer.before.inputs)
        by_rows.rms_norm(b, cast, layer.before.gain, layer.before.eps, m.normed)
    for name, by, y in (("q", layer.q, m.q), ("k", layer.k, m.k), ("v", layer.v, m.v)):
        project(name, m.normed, by, y)
    heads = layer.heads
    for name, norm, y, count in (
        ("q norm", layer.q_norm, m.q, heads.query),
        ("k norm", layer.k_norm, m.k, heads.key),
    ):
        if norm is not None:
            with b.part(name):
                cast = m.cast(b, y, norm.inputs)
                by_rows.rms_norm(b, cast, norm.gain, norm.eps, y, heads=count, size=heads.size)
    for name, y in (("rope of q", m.q), ("rope of k", m.k)):
        with b.part(name):
            rope(b, m.cast(b, y, layer.turned_as), t.cos, t.sin, y, head=heads.size)
    with b.part("cache"):
        by_rows.copy(b, m.k, layer.keys, row=t.start)
        by_rows.copy(b, m.v, layer.values, row=t.start)
    with b.part("attention"):
        attention(
            b,
            m.q,
            layer.keys,
            layer.values,
            t.mask,
            m.attended,
            heads=heads,
            types=layer.types,
            scale=layer.scale,
        )
    project("o", m.attended, layer.o, m.summed)
    with b.part("residual sum"):
        by_rows.add(b, x, m.summed, x)
    with b.part("norm before the MLP"):
        cast = m.cast(b, x, layer.between.inputs)
        by_rows.rms_norm(b, cast, layer.between.gain, layer.between.eps, m.normed)
    project("gate", m.normed, layer.gate, m.gate)
    project("up", m.normed, layer.up, m.up)
    with b.part("SwiGLU"):
        by_rows.silu(b, m.cast(b, m.gate, layer.activated_as), m.gate, m.up)
    project("down", m.gate, layer.down, m.summed)
    with b.part("residual sum behind the MLP"):
        by_rows.add(b, x, m.summed, x)
