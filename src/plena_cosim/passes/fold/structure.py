"""Structure: the residual stream of a decoder, what reads it and what writes to it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .matrix import Matrix


@dataclass(frozen=True, kw_only=True)
class Norm:
    """A root-mean-square norm.

    Attributes:
        name: of the module.
        weight: its parameter.
        offset: what the parameter is less than the gain (1 in Gemma).
    """

    name: str
    weight: nn.Parameter
    offset: float

    def gain(self) -> Tensor:
        """Return the gain in float64."""
        return self.weight.detach().double() + self.offset

    @torch.no_grad()
    def set_gain(self, gain: Tensor) -> None:
        """Replace the gain, rounded once to the dtype of the parameter."""
        self.weight.copy_(gain - self.offset)


@dataclass(frozen=True, kw_only=True)
class Sublayer:
    """Attention or MLP: what is added to the stream is writers(… readers(norm(stream))).

    Attributes:
        name: of the module.
        norm: in front of it.
        readers: weights that multiply the normed stream, in the order of modules.
        writers: weights whose outputs are added to the stream.
    """

    name: str
    norm: Norm
    readers: tuple[Matrix, ...]
    writers: tuple[Matrix, ...]


@dataclass(frozen=True, kw_only=True)
class Values:
    """The way of the values through attention, from v_proj by head to o_proj.

    Attributes:
        source: the weight that makes values.
        target: the weight that reads them once they are summed over tokens.
        head_dim: channels of a head.
    """

    source: Matrix
    target: Matrix
    head_dim: int

    @property
    def shared_by(self) -> int:
        """Query heads that read one head of values."""
        return self.target.inputs // self.source.outputs


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One decoder layer.

    Attributes:
        name: of the module.
        attention, mlp: its two sublayers.
        values: None where values have no projection of their own.
        no_values: why; empty where they have one.
        gated: source and target of act(gate) * up -> down; None in an MLP of another form.
    """

    name: str
    attention: Sublayer
    mlp: Sublayer
    values: Values | None
    no_values: str
    gated: tuple[Matrix, Matrix] | None


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A decoder.

    Attributes:
        embedding: what writes the stream first, (tokens, width).
        layers: in the order in which they run.
        norm: behind the last layer.
        head: what reads the normed stream, (tokens, width).
        tied: whether head and embedding are one parameter.
    """

    embedding: Matrix
    layers: tuple[Layer, ...]
    norm: Norm
    head: Matrix
    tied: bool

    @property
    def hidden(self) -> int:
        """Width of the stream."""
        return self.embedding.inputs
