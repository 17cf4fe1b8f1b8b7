"""fold_rotations: Hadamard rotations that a model's weights take in, and its function does not see.

QuaRot (Ashkboos et al. 2024, arXiv:2404.00456) and SpinQuant (Liu et al. 2024, arXiv:2405.16406),
whose names R1 and R2 these are; that a root-mean-square norm without gain commutes with a rotation
is SliceGPT's (Ashkboos et al. 2024, arXiv:2401.15024).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from .find_structure import find_structure
from .hadamard_matrix import rotation_matrix
from .matrix import Side
from .parts import matrices_of
from .rotation_file import TrainedRotations
from .structure import Layer, Structure
from .untie import untie
from .value_path import require_values_by_head


def fold_rotations(
    model: nn.Module,
    *,
    r1: bool,
    r2: bool,
    size: int | None = None,
    random: bool = False,
    seed: int = 0,
    trained: TrainedRotations | None = None,
) -> None:
    """Rotate the hidden states (R1) and the values by head (R2) of a decoder, in place.

    R1: the stream h becomes h R. The embedding and what writes to the stream are rotated along
    their outputs; the gain g of each norm moves into what reads it, W diag(g) R, and becomes one.
    R2: the values of each head become v R2, and the columns of o_proj are rotated to match.
    Weights are computed in float64 and rounded once to their dtype; the model's function stays,
    up to that rounding.

    Args:
        model: a float `…ForCausalLM` of transformers.
        r1, r2: which rotations; none of them changes nothing.
        size: of Hadamard blocks; for R2 at most head_dim. Without it as large as they can be built.
        random: with random signs, H diag(±1), from `seed`.
        seed: of the signs.
        trained: matrices of a file, in the place of Hadamard matrices.

    Raises:
        FormatError: the model has a part that folding does not know, the size does not fit, or the
            file has not the matrices of this model. Nothing has been changed then.
    """
    if not (r1 or r2):
        return
    structure = find_structure(model)
    widths = [None if each.values is None else each.values.head_dim for each in structure.layers]
    if r2:
        require_values_by_head(model, structure)
    options: dict[str, Any] = {"random": random, "seed": seed}
    try:
        if trained is not None:
            stream = trained.stream(structure.hidden) if r1 else None
            of_layers = [
                trained.values(number, width) if r2 and width is not None else None
                for number, width in enumerate(widths)
            ]
        else:
            stream = rotation_matrix(structure.hidden, size=size, **options) if r1 else None
            by_head = {
                n: rotation_matrix(n, size=None if size is None else min(size, n), **options)
                for n in set(widths)
                if r2 and n is not None
            }
            of_layers = [None if width is None else by_head.get(width) for width in widths]
    except FormatError as error:
        raise FormatError(f"{type(model).__name__}: {error}") from None
    if stream is not None:
        _fold_ends(model, structure, stream)
    for layer, rotation in zip(structure.layers, of_layers, strict=True):
        _fold_layer(layer, stream, rotation)


def _fold_ends(model: nn.Module, structure: Structure, stream: Tensor) -> None:
    """Rotate the embedding, and the head together with the gain of the final norm."""
    head = structure.head
    if structure.tied:
        (head,) = matrices_of(head.module, untie(model))
    structure.embedding.fold(inputs=Side(rotation=stream))
    gain = structure.norm.gain()
    head.fold(inputs=Side(gain=gain, rotation=stream))
    structure.norm.set_gain(torch.ones_like(gain))


def _fold_layer(layer: Layer, stream: Tensor | None, rotation: Tensor | None) -> None:
    values = layer.values
    for sublayer in (layer.attention, layer.mlp):
        gain = sublayer.norm.gain() if stream is not None else None
        for reader in sublayer.readers:
            is_source = values is not None and reader is values.source
            reader.fold(
                inputs=Side(gain=gain, rotation=stream),
                outputs=Side(rotation=rotation if is_source else None),
            )
        for writer in sublayer.writers:
            is_target = values is not None and writer is values.target
            writer.fold(
                inputs=Side(rotation=rotation if is_target else None),
                outputs=Side(rotation=stream),
            )
        if gain is not None:
            sublayer.norm.set_gain(torch.ones_like(gain))
