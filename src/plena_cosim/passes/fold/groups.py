"""Group: channels that can be scaled without changing what a decoder computes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch import Tensor

from .matrix import Matrix
from .structure import Layer, Norm


@dataclass(frozen=True, kw_only=True)
class Group:
    """What gives some channels, and all that read them: y / s there, W diag(s) here.

    Attributes:
        source: a norm's gain, or a projection whose output reaches the targets channel by channel.
        targets: the weights that read the channels; the first one's input shows them.
        head_dim, shared_by: channels of a head, and how many heads of the targets' input are made
            of one head of the source; of channels without heads, all of them and one.
    """

    source: Norm | Matrix
    targets: tuple[Matrix, ...]
    head_dim: int
    shared_by: int = 1

    @property
    def name(self) -> str:
        """Name of the module that gives the channels."""
        return self.source.name if isinstance(self.source, Norm) else self.source.module

    def gathered(self, by_input: Tensor) -> Tensor:
        """Return (heads, shared_by, head_dim) of a figure for each input of the targets."""
        return by_input.reshape(-1, self.shared_by, self.head_dim)

    def spread(self, scales: Tensor) -> Tensor:
        """Return for each input of the targets the scale of its channel of the source."""
        heads = scales.reshape(-1, 1, self.head_dim)
        return heads.expand(-1, self.shared_by, -1).reshape(-1)


def groups_of(layer: Layer, wanted: Collection[str], *, norms: bool, values: bool) -> list[Group]:
    """Return the groups of a layer of which some target is quantised.

    Args:
        layer: of a decoder.
        wanted: names of the modules that are quantised.
        norms: whether to scale what norms give.
        values: whether to scale the values.

    Returns:
        Groups in the order in which a layer runs them, the MLP's inner one last.
    """
    found = []
    for sublayer in (layer.attention, layer.mlp):
        width = sublayer.norm.weight.numel()
        if norms:
            group = Group(source=sublayer.norm, targets=sublayer.readers, head_dim=width)
            found.append(group)
        if values and sublayer is layer.attention and layer.values is not None:
            way = layer.values
            found.append(
                Group(
                    source=way.source,
                    targets=(way.target,),
                    head_dim=way.head_dim,
                    shared_by=way.shared_by,
                )
            )
    if layer.gated is not None:
        up, down = layer.gated
        found.append(Group(source=up, targets=(down,), head_dim=up.outputs))
    return [group for group in found if any(t.module in wanted for t in group.targets)]
