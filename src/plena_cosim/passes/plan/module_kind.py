"""Which kind of module a module is, whatever family of models it belongs to."""

from __future__ import annotations

from enum import Enum

from torch import nn


class Kind(Enum):
    """What a module does, and so which formats it takes."""

    LINEAR = "linear layer"
    EMBEDDING = "embedding"
    ATTENTION = "attention"
    NORM = "normalisation"
    MLP = "MLP"
    EXPERTS = "experts"


def kind_of(module: nn.Module) -> Kind | None:
    """Return the kind of a module; None for what no recipe changes.

    Linear layers and embeddings are torch's own class (embeddings also those that transformers
    scales). Attention, norms, MLPs and fused experts are known by their parts: a layer index beside
    projections, one gain vector with an epsilon, an activation beside linear layers, and weights
    with one matrix an expert.
    """
    if type(module) is nn.Linear:
        return Kind.LINEAR
    if isinstance(module, nn.Embedding):
        # Other classes of embeddings shift their ids or take further arguments.
        known = type(module) is nn.Embedding or hasattr(module, "scalar_embed_scale")
        return Kind.EMBEDDING if known else None
    if _is_norm(module):
        return Kind.NORM
    children = dict(module.named_children())
    names = set(children)
    if hasattr(module, "layer_idx") and (
        {"k_proj", "v_proj"} <= names or names & {"qkv_proj", "query_key_value"}
    ):
        return Kind.ATTENTION
    own = [parameter for parameter in module.parameters(recurse=False) if parameter.ndim == 3]
    if own and not isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
        return Kind.EXPERTS
    if activation_names(module) and any(type(child) is nn.Linear for child in children.values()):
        return Kind.MLP
    return None


def activation_names(module: nn.Module) -> list[str]:
    """Return the names of the children that are activations: modules without parameters."""
    return [
        name
        for name, child in module.named_children()
        if ("act" in name or "Activation" in type(child).__name__)
        and not isinstance(child, (nn.Dropout, nn.Identity))
        and not any(True for _ in child.parameters())
    ]


def _is_norm(module: nn.Module) -> bool:
    if isinstance(module, nn.LayerNorm):
        return True
    own = dict(module.named_parameters())
    epsilon = hasattr(module, "eps") or hasattr(module, "variance_epsilon")
    return epsilon and set(own) == {"weight"} and own["weight"].ndim == 1
