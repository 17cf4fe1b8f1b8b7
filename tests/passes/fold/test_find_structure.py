"""What a decoder is made of is seen in the model; what is not understood is refused by name."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from plena_cosim.golden import FormatError
from plena_cosim.passes.fold import fold_rotations
from plena_cosim.passes.fold.find_structure import find_structure
from plena_cosim.passes.fold.structure import Structure

from .tiny import logits, state, tiny

ATTENTION = ["q_proj", "k_proj", "v_proj"]


def parts(structure: Structure, index: int) -> dict[str, Any]:
    """Names of what reads and writes in one layer, without the layer's own name."""
    layer = structure.layers[index]

    def names(matrices: Any) -> list[str]:
        return [matrix.name.removeprefix(f"{layer.name}.") for matrix in matrices]

    return {
        "norms": [s.norm.name.removeprefix(f"{layer.name}.") for s in (layer.attention, layer.mlp)],
        "readers": names(layer.attention.readers) + sorted(names(layer.mlp.readers)),
        "writers": names(layer.attention.writers) + names(layer.mlp.writers),
        "gated": layer.gated and names(layer.gated),
        "values": layer.values and (layer.values.head_dim, layer.values.shared_by),
    }


MLP = {
    "readers": ["mlp.gate_proj.weight", "mlp.up_proj.weight"],
    "writers": ["mlp.down_proj.weight"],
    "gated": ["mlp.up_proj.weight", "mlp.down_proj.weight"],
}
EXPERTS = {
    "readers": ["mlp.experts.gate_up_proj", "mlp.gate.weight"],
    "writers": ["mlp.experts.down_proj"],
    "gated": None,
}


@pytest.mark.parametrize(
    ("family", "index", "mlp"),
    [
        ("llama", 0, MLP),
        ("mistral", 1, MLP),
        ("qwen2", 0, MLP),
        ("qwen3", 1, MLP),
        ("gemma", 0, MLP),
        ("smollm3", 0, MLP),
        ("glm4_moe", 0, MLP),
        ("qwen3_moe", 0, EXPERTS),
        ("mixtral", 0, EXPERTS),
        (
            "glm4_moe",
            1,
            {
                "readers": [
                    "mlp.experts.gate_up_proj",
                    "mlp.gate.weight",
                    "mlp.shared_experts.gate_proj.weight",
                    "mlp.shared_experts.up_proj.weight",
                ],
                "writers": ["mlp.experts.down_proj", "mlp.shared_experts.down_proj.weight"],
                "gated": None,
            },
        ),
    ],
)
def test_parts_of_a_layer(family: str, index: int, mlp: dict[str, Any]) -> None:
    found = parts(find_structure(tiny(family, dtype=torch.float32)), index)
    assert found == {
        "norms": ["input_layernorm", "post_attention_layernorm"],
        "readers": [f"self_attn.{name}.weight" for name in ATTENTION] + mlp["readers"],
        "writers": ["self_attn.o_proj.weight", *mlp["writers"]],
        "gated": mlp["gated"],
        "values": (12 if family == "mixtral" else 16, 2),
    }


@pytest.mark.parametrize("tied", [False, True])
def test_ends(tied: bool) -> None:
    found = find_structure(tiny("qwen2", tie_word_embeddings=tied))
    assert found.embedding.name == "model.embed_tokens.weight"
    assert (found.head.name, found.norm.name) == ("lm_head.weight", "model.norm")
    assert found.tied is tied
    assert len(found.layers) == 2
    bias = found.layers[0].attention.readers[2].bias
    assert bias is not None
    assert bias.shape == (32,)


def parallel(self: nn.Module, hidden_states: torch.Tensor, **kwargs: Any) -> torch.Tensor:
    first = self.self_attn(hidden_states=self.input_layernorm(hidden_states), **kwargs)[0]
    return hidden_states + first + self.mlp(self.post_attention_layernorm(hidden_states))


def shared_norm(self: nn.Module, hidden_states: torch.Tensor, **kwargs: Any) -> torch.Tensor:
    normed = self.input_layernorm(hidden_states)
    return hidden_states + self.self_attn(hidden_states=normed, **kwargs)[0] + self.mlp(normed)


def multiplied(self: nn.Module, hidden_states: torch.Tensor, **kwargs: Any) -> torch.Tensor:
    normed = self.input_layernorm(hidden_states)
    middle = hidden_states + self.self_attn(hidden_states=normed, **kwargs)[0]
    return middle + 0.5 * self.mlp(self.post_attention_layernorm(middle))


def bounded_mlp(model: nn.Module) -> None:
    model.model.layers[1].mlp.register_forward_hook(lambda module, args, output: output.tanh())


def inner_projection(model: nn.Module) -> None:
    mlp = model.model.layers[1].mlp
    mlp.inner = nn.Linear(96, 96, bias=False)
    mlp.down_proj.register_forward_pre_hook(lambda module, args: (mlp.inner(args[0]),))


def norm_of_values(model: nn.Module) -> None:
    attention = model.model.layers[1].self_attn
    attention.v_norm = type(model.model.norm)(32)
    attention.v_proj.register_forward_hook(lambda module, args, output: attention.v_norm(output))


def projected_logits(model: nn.Module) -> None:
    model.lm_head.register_forward_pre_hook(lambda module, args: (args[0].tanh(),))


def with_forward(forward: Callable[..., Any]) -> Callable[[nn.Module], None]:
    def change(model: nn.Module) -> None:
        layer = model.model.layers[1]
        layer.forward = types.MethodType(forward, layer)

    return change


def extra_parameter(model: nn.Module) -> None:
    model.model.layers[1].mlp.register_parameter("scale", nn.Parameter(torch.ones(64)))


def scale_in_attention(model: nn.Module) -> None:
    attention = model.model.layers[1].self_attn
    attention.register_parameter("scale", nn.Parameter(torch.ones(64)))


def shared_projection(model: nn.Module) -> None:
    model.model.layers[1].mlp.up_proj.weight = model.model.layers[0].mlp.up_proj.weight


def layer_norm(model: nn.Module) -> None:
    model.model.layers[1].post_attention_layernorm = nn.LayerNorm(64).to(model.dtype)


def positions(model: nn.Module) -> None:
    model.model.embed_tokens.register_forward_hook(
        lambda module, args, output: output + torch.linspace(0, 1, output.shape[1])[:, None]
    )
    model.model.layers[0].register_forward_pre_hook(
        lambda module, args: (args[0] + torch.linspace(0, 1, args[0].shape[1])[:, None],)
    )


def not_finite(model: nn.Module) -> None:
    model.model.layers[1].mlp.up_proj.weight.data[3, 4] = torch.nan


def quantised(model: nn.Module) -> None:
    from plena_cosim.passes import quantize_module_transform_pass

    table = {"name": "mxint", "weight_block_size": 16, "weight_width": 8}
    quantize_module_transform_pass(model, {r".*layers\.1.*up_proj": table})


@pytest.mark.parametrize(
    ("family", "change", "message"),
    [
        ("gemma2", None, r"layers\.0\.post_attention_layernorm: a norm after a sublayer, before "),
        ("gemma3", None, "a norm after a sublayer"),
        ("glm4", None, r"post_self_attn_layernorm: a norm after a sublayer"),
        ("phi", None, r"layers\.0\.input_layernorm: LayerNorm takes the mean away, which a "),
        ("llama", layer_norm, r"layers\.1\.post_attention_layernorm: LayerNorm takes the mean"),
        (
            "llama",
            with_forward(parallel),
            r"layers\.1\.post_attention_layernorm: does not read the sum",
        ),
        ("llama", with_forward(shared_norm), r"layers\.1: attention and MLP read the same norm"),
        ("llama", with_forward(multiplied), r"layers\.1: its output is not stream \+ attention \+"),
        ("llama", bounded_mlp, r"layers\.1\.mlp: its output is not the sum of what .*down_proj "),
        ("llama", inner_projection, r"mlp\.inner\.weight: neither reads the normed stream nor"),
        ("llama", norm_of_values, r"self_attn\.v_norm: a norm in attention that reads no queries"),
        ("llama", projected_logits, r"^lm_head: does not read the output of model\.norm$"),
        ("llama", extra_parameter, r"mlp\.scale: a parameter of \(64,\) whose part .* not know"),
        ("llama", scale_in_attention, r"self_attn\.scale: a parameter of \(64,\) whose part"),
        ("llama", shared_projection, r"layers\.1\.mlp\.up_proj\.weight: is used in two places"),
        ("llama", positions, r"layers\.0: takes more than the embedded tokens"),
        ("llama", not_finite, r"layers\.1\.mlp\.up_proj: gives NaN or infinity on a few tokens"),
        ("llama", quantised, r"up_proj\.stored\.values: a parameter of .* not know"),
    ],
)
def test_what_is_not_understood_is_refused_and_nothing_changes(
    family: str, change: Callable[[nn.Module], None] | None, message: str
) -> None:
    model = tiny(family, dtype=torch.float32)
    if change is not None:
        change(model)
    before = state(model)
    with pytest.raises(FormatError, match=message):
        fold_rotations(model, r1=True, r2=False)
    assert all(torch.equal(before[n], w) or w.isnan().any() for n, w in state(model).items())


def test_models_without_a_head_are_refused() -> None:
    with pytest.raises(FormatError, match=r"^LlamaModel has no output embedding of type Linear"):
        find_structure(tiny("llama").model)
    with pytest.raises(FormatError, match=r"^Linear has no input embedding of type Embedding"):
        find_structure(nn.Linear(2, 2))


def test_a_gate_behind_attention_is_refused_for_values_only() -> None:
    model = tiny("llama")
    for layer in model.model.layers:
        layer.self_attn.o_proj.register_forward_pre_hook(
            lambda module, args: (args[0] * torch.sigmoid(args[0]),)
        )
    before = logits(model)
    with pytest.raises(FormatError, match=r"layers\.0\.self_attn: what .*o_proj takes is not the "):
        fold_rotations(model, r1=True, r2=True)
    assert torch.equal(logits(model), before)
    fold_rotations(model, r1=True, r2=False)
    assert float((logits(model) - before).norm() / before.norm()) < 1e-10


def test_an_mlp_without_a_gate_has_no_channels_to_scale() -> None:
    """act(gate) + up instead of act(gate) * up."""
    model = tiny("llama")

    def added(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        down: torch.Tensor = self.down_proj(self.act_fn(self.gate_proj(x)) + self.up_proj(x))
        return down

    mlp = model.model.layers[1].mlp
    mlp.forward = types.MethodType(added, mlp)
    first, second = find_structure(model).layers
    assert first.gated is not None
    assert second.gated is None
