"""QuantEmbedding: an embedding table that was quantised once."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from plena_cosim import fakequant
from plena_cosim.golden import HardwareConfig

from ..recipe.formats import CastFormat, ModuleFormats
from ..weights.packed_weight import Store, StoredWeight


class QuantEmbedding(nn.Module):
    """Rows of a quantised table; blocks run along a row.

    Attributes:
        formats: of the table.
        scale: what some families multiply every row by.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        formats: ModuleFormats,
        *,
        hw: HardwareConfig | None,
        store: Store = StoredWeight,
    ) -> None:
        super().__init__()
        self.formats, self.hw = formats, hw
        self.padding_idx = embedding.padding_idx
        self.scale = float(getattr(embedding, "scalar_embed_scale", 1.0))
        weight = embedding.weight
        dtype = weight.dtype if hw is None else None
        vector = None if hw is None else CastFormat(fmt=hw.vector_format)
        self.stored = store(weight, formats.weight or vector, axis=-1, dtype=dtype)
        self.dtype = weight.dtype

    @property
    def weight(self) -> Tensor:
        """The quantised table."""
        return self.stored.values

    def forward(self, ids: Tensor) -> Tensor:
        """Return the rows of `ids`; with exact numerics, values of the vector format."""
        rows = functional.embedding(ids, self.weight, self.padding_idx)
        if self.hw is None:
            return rows * rows.new_tensor(self.scale) if self.scale != 1.0 else rows
        vector = self.hw.vector_format
        rows = fakequant.cast(rows, vector)
        if self.scale != 1.0:
            factor = fakequant.cast(rows.new_tensor(self.scale), vector)
            rows = fakequant.mul(rows, factor, vector)
        return rows.to(self.dtype)

    def extra_repr(self) -> str:
        """Show size and format."""
        named = "" if self.formats.weight is None else f", weight={self.formats.weight.name}"
        return f"{tuple(self.weight.shape)}{named}"
