"""What a module is does not depend on its family."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plena_cosim.passes.kinds import kind_of
from plena_cosim.passes.kinds.attention import KIND as ATTENTION
from plena_cosim.passes.kinds.embedding import KIND as EMBEDDING
from plena_cosim.passes.kinds.experts import KIND as EXPERTS
from plena_cosim.passes.kinds.linear import KIND as LINEAR
from plena_cosim.passes.kinds.mlp import KIND as MLP
from plena_cosim.passes.kinds.norm import KIND as NORM
from plena_cosim.passes.modules.module_kind import ModuleKind
from plena_cosim.passes.modules.quant_activation import activation_names

from ..families import FAMILIES, build

EXPECTED = {
    "self_attn": ATTENTION,
    "embed_tokens": EMBEDDING,
    "lm_head": LINEAR,
    "experts": EXPERTS,
    "gate": None,
    "router": None,
    "act_fn": None,
    "activation_fn": None,
    "rotary_emb": None,
    "resid_attn_dropout": None,
    "layers": None,
    "model": None,
}


def expected(name: str, module: nn.Module) -> ModuleKind | None:
    last = name.rsplit(".", 1)[-1]
    if last in EXPECTED:
        return EXPECTED[last]
    if "norm" in last:
        return NORM
    if last.endswith("_proj") or last in ("dense", "fc1", "fc2"):
        return LINEAR
    if last == "mlp" or last == "shared_experts":
        return MLP if "MLP" in type(module).__name__ else None
    return None


@pytest.mark.parametrize("family", FAMILIES)
def test_every_module_of_a_family(family: str) -> None:
    for name, module in build(family).named_modules():
        found = kind_of(module)
        if type(module).__name__ == "GptOssMLP":  # activations sit in the experts
            assert found is None
            continue
        assert found is expected(name, module), (name, type(module).__name__)


class Positions(nn.Embedding):
    """As in OPT: other arguments than ids alone."""


class Scaled(nn.Embedding):
    scalar_embed_scale = 2.0


class Gain(nn.Module):
    def __init__(self, size: int = 4, *, eps: bool = True, extra: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        if eps:
            self.variance_epsilon = 1e-6
        if extra:
            self.other = nn.Parameter(torch.ones(size))


class Attention(nn.Module):
    def __init__(self, *children: str, index: bool = True) -> None:
        super().__init__()
        if index:
            self.layer_idx = 0
        for name in children:
            self.add_module(name, nn.Linear(2, 2))


def mlp(**children: nn.Module) -> nn.Module:
    module = nn.Module()
    for name, child in children.items():
        module.add_module(name, child)
    return module


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.ones(2, 3, 4))


class Convolution(nn.Conv1d):
    """Three axes, as experts have, and a class of its own."""


CASES: list[tuple[str, nn.Module, ModuleKind | None]] = [
    ("linear", nn.Linear(2, 2), LINEAR),
    ("a linear of another class", nn.modules.linear.NonDynamicallyQuantizableLinear(2, 2), None),
    ("embedding", nn.Embedding(3, 2), EMBEDDING),
    ("scaled embedding", Scaled(3, 2), EMBEDDING),
    ("embedding of positions", Positions(3, 2), None),
    ("layer norm", nn.LayerNorm(4), NORM),
    ("layer norm without a weight", nn.LayerNorm(4, elementwise_affine=False), NORM),
    ("torch's RMSNorm", nn.RMSNorm(4), NORM),
    ("a gain with an epsilon", Gain(), NORM),
    ("a gain without one", Gain(eps=False), None),
    ("two gains", Gain(extra=True), None),
    ("batch norm", nn.BatchNorm1d(4), None),
    ("attention", Attention("q_proj", "k_proj", "v_proj"), ATTENTION),
    ("fused attention", Attention("qkv_proj", "o_proj"), ATTENTION),
    ("attention of GPT-NeoX", Attention("query_key_value", "dense"), ATTENTION),
    ("attention of GPT-2", Attention("c_attn", "c_proj"), ATTENTION),
    ("attention of MPT", Attention("Wqkv", "out_proj"), ATTENTION),
    ("attention of DeepSeek", Attention("kv_a_proj_with_mqa", "kv_b_proj"), ATTENTION),
    ("no layer index", Attention("k_proj", "v_proj", index=False), None),
    ("no values", Attention("q_proj", "k_proj"), None),
    ("MLP", mlp(act_fn=nn.SiLU(), up_proj=nn.Linear(2, 2)), MLP),
    ("activation of another name", mlp(f=nn.SiLU(), up_proj=nn.Linear(2, 2)), None),
    ("no linear layer", mlp(act_fn=nn.SiLU()), None),
    ("dropout only", mlp(act_dropout=nn.Dropout(), up_proj=nn.Linear(2, 2)), None),
    ("experts", Experts(), EXPERTS),
    ("a convolution of another class", Convolution(2, 2, 3), None),
    ("nothing", nn.Module(), None),
]


@pytest.mark.parametrize(
    ("module", "kind"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_a_module_by_its_parts(module: nn.Module, kind: ModuleKind | None) -> None:
    assert kind_of(module) is kind


def test_activations_are_children_without_parameters() -> None:
    module = mlp(act=nn.SiLU(), act2=nn.Linear(2, 2), dropout_act=nn.Dropout(), up=nn.Linear(2, 2))
    assert activation_names(module) == ["act"]
