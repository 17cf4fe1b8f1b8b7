"""Embeddings: torch's own class, and those that transformers scales."""

from __future__ import annotations

from torch import nn

from ..modules.module_kind import BLOCKS, AcceptedFormats, BuildRequest, Built, ModuleKind
from ..modules.quant_embedding import QuantEmbedding


class EmbeddingKind(ModuleKind):
    """A table whose rows are looked up."""

    name = "embedding"
    priority = 20
    accepts = AcceptedFormats(roles={"weight": BLOCKS}, spec=("weight",))
    looked_up = True

    def recognise(self, module: nn.Module) -> bool:
        """Return whether it takes ids alone; other classes shift them or take more arguments."""
        if not isinstance(module, nn.Embedding):
            return False
        return type(module) is nn.Embedding or hasattr(module, "scalar_embed_scale")

    def obstacle(self, module: nn.Module) -> str | None:
        """Return what a class derived from torch's embedding may do besides."""
        if not isinstance(module, nn.Embedding) or self.recognise(module):
            return None
        return "derives from nn.Embedding, and may shift ids or take more than these"

    def build(self, request: BuildRequest) -> Built:
        """Return the quantised table."""
        assert isinstance(request.module, nn.Embedding)
        formats = request.selector.formats
        made = QuantEmbedding(request.module, formats, hw=request.hw, store=request.store)
        return Built(modules={"": made}, weights=[(request.module.weight.detach(), made.stored)])


KIND = EmbeddingKind()
