"""`softmax_out` quantises probabilities, whatever number of queries is computed at a time."""

from __future__ import annotations

import pytest
import torch

from plena_cosim import fakequant
from plena_cosim.golden import FormatError
from plena_cosim.golden.affine import AffineInt, Granularity
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.attention import arithmetic, core

TOKENS = torch.arange(3, 3 + 24).view(2, 12)


def quantised(llama, table, **more):
    recipe = {"by": "type", "LlamaAttention": {"name": "spec", "softmax_out": table}}
    torch.manual_seed(0)
    return quantize_module_transform_pass(llama(), recipe, **more)[0]


def weights(model) -> torch.Tensor:
    """Return the probabilities of the first layer."""
    found: list[torch.Tensor] = []
    handle = model.model.layers[0].self_attn.register_forward_hook(
        lambda module, args, output: found.append(output[1])
    )
    model(TOKENS)
    handle.remove()
    return found[0].detach()


def unrounded(llama, table, monkeypatch) -> torch.Tensor:
    """Return the probabilities of a quantised model before they are rounded."""
    with monkeypatch.context() as patch:
        patch.setattr(arithmetic, "probabilities", lambda x, fmt: x)
        return weights(quantised(llama, table))


def test_probabilities_are_those_of_the_model(llama, monkeypatch) -> None:
    torch.manual_seed(0)
    model = llama()
    model.set_attn_implementation("eager")
    found = unrounded(llama, {"element": "int4"}, monkeypatch)
    assert torch.allclose(found, weights(model), atol=1e-6)


@pytest.mark.parametrize("at_a_time", [256, 5])
@pytest.mark.parametrize(
    ("table", "granularity"),
    [
        ({"element": "int4"}, Granularity()),
        ({"element": "int4", "group_size": 4}, Granularity(kind="group", ch_axis=-1, group_size=4)),
        (
            {"element": "int4", "granularity": "channel", "axis": 1},
            Granularity(kind="channel", ch_axis=1),
        ),
    ],
)
def test_probabilities_become_values_of_the_format(
    llama, table, granularity, at_a_time, monkeypatch
) -> None:
    monkeypatch.setattr(core, "QUERIES", at_a_time)
    expected = fakequant.quantize_affine(
        unrounded(llama, table, monkeypatch), AffineInt(bits=4), granularity
    )
    assert torch.equal(weights(quantised(llama, table)), expected)


def test_a_static_range_is_from_0_to_1(llama, monkeypatch) -> None:
    table = {"element": "uint8", "range": "min_max"}
    found = weights(quantised(llama, table))
    scale, _ = fakequant.affine_scale(
        torch.tensor(0.0), torch.tensor(1.0), AffineInt(bits=8, signed=False)
    )
    fmt = AffineInt(bits=8, signed=False)
    expected = fakequant.quantize_affine(unrounded(llama, table, monkeypatch), fmt, scale=scale)
    assert torch.equal(found, expected)


def test_what_is_not_known_is_refused(llama) -> None:
    with pytest.raises(FormatError, match="softmax_out: a static range of probabilities is that"):
        quantised(llama, {"element": "int8", "range": "mse"})
    with pytest.raises(FormatError, match="softmax_out: the machine has no unit for int8/tensor"):
        quantised(llama, {"element": "int8"}, numerics="exact")
