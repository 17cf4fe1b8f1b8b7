"""Setting: what a change over the network may ask for, and what it may not."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from tests.serve.recipes import LINEAR, WHOLE

from plena_cosim.golden import FormatError
from plena_cosim.passes.recipe.recipe import Phase
from plena_cosim.serve import ModelMaker, Setting

FLOAT = Setting(base=None)
QUANTISED = FLOAT.changed({"toml": LINEAR})


def test_a_recipe_comes_as_text_or_as_tables(maker: ModelMaker) -> None:
    tables = tomllib.loads(WHOLE)
    by_tables, by_text = FLOAT.changed({"recipe": tables}), FLOAT.changed({"toml": WHOLE})
    assert by_tables.base is not None
    assert by_text.base is not None
    assert by_tables.base.tables == by_text.base.tables == tables
    made = maker.make(by_tables)
    assert made.numerics == "fake"
    assert made.fingerprint == maker.make(by_text).fingerprint
    assert made.fingerprint != maker.make(by_text.changed({"numerics": "exact"})).fingerprint
    assert by_text.changed({"recipe": None}).base is None


def width_of(setting: Setting, maker: ModelMaker, phase: Phase, layer: str) -> int:
    """Bits of the input of a layer, as the quantised model has them."""
    network = maker.make(setting).network
    fmt = network.get_submodule(f"model.layers.1.{layer}").input
    return int((fmt.formats[phase] if hasattr(fmt, "formats") else fmt).element.width_bits)


def test_patches_change_one_phase_and_one_kind_of_layers(maker: ModelMaker) -> None:
    made = QUANTISED.changed({"patch": {"phase": "decode", "layers": "ffn", "width": 8}})
    made = made.changed({"patch": [{"phase": "prefill", "layers": "attn", "width": 6}]})
    found = {
        (phase, layer): width_of(made, maker, phase, layer)
        for phase in Phase
        for layer in ("self_attn.q_proj", "mlp.down_proj")
    }
    assert found == {
        (Phase.PREFILL, "self_attn.q_proj"): 6,
        (Phase.PREFILL, "mlp.down_proj"): 4,
        (Phase.DECODE, "self_attn.q_proj"): 4,
        (Phase.DECODE, "mlp.down_proj"): 8,
    }
    back = made.changed({"patch": {"phase": "decode", "layers": "ffn", "width": None}})
    assert width_of(back, maker, Phase.DECODE, "mlp.down_proj") == 4
    assert made.changed({"toml": LINEAR}).patches == {}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "give one of recipe, toml, patch or numerics"),
        ({"recipe": {}, "toml": ""}, "give one of"),
        ({"recipes": {}}, "a change has no recipes; known: recipe, toml, patch, numerics"),
        ({"recipe": []}, "recipe must be a table, got list"),
        ({"toml": 3}, "toml must be a text, got int"),
        ({"toml": "a = "}, "not valid TOML"),
        ({"toml": "[x]\nname = 'mxnit'"}, "mxint"),
        ({"numerics": "exakt"}, "unknown numerics 'exakt'; known: fake, exact"),
        ({"patch": 3}, "a patch must be a table, got 3"),
        ({"patch": {"phase": "write", "layers": "ffn", "width": 4}}, "give prefill or decode"),
        ({"patch": {"phase": "decode", "layers": "mlp", "width": 4}}, "give attn or ffn"),
        ({"patch": {"phase": "decode", "layers": "ffn"}}, "give width or block_size"),
        ({"patch": {"phase": "decode", "layers": "ffn", "width": 0}}, "width must be 1 or more"),
        ({"patch": {"phase": "decode", "layers": "ffn", "width": True}}, "must be a whole number"),
        ({"patch": {"phase": "decode", "layers": "ffn", "bits": 4}}, "a patch has no bits"),
    ],
)
def test_what_cannot_be_is_said(body: dict[str, Any], words: str) -> None:
    with pytest.raises(FormatError, match=words):
        QUANTISED.changed(body)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ('[token_collector]\nsave_path = "/tmp/x.pt"', "token_collector"),
        ("[gptq]", "gptq"),
        ('[rotation_search]\ncache_path = "/tmp/x"', "rotation_search"),
        ('[hardware]\nconfig = "/etc/passwd"', "hardware.config"),
        ('[rotation]\nr1 = true\nmatrices = "/etc/passwd"', "rotation.matrices"),
        ("[scaling]", "scaling"),
        ("[distill]", "distill"),
        ("[ranges]", "ranges"),
    ],
)
def test_a_recipe_of_the_network_names_no_file(table: str, named: str) -> None:
    with pytest.raises(FormatError, match=f"takes no {named}"):
        FLOAT.changed({"toml": f"{LINEAR}\n{table}"})


def test_a_patch_needs_a_recipe() -> None:
    with pytest.raises(FormatError, match="there is none; give recipe first"):
        FLOAT.changed({"patch": {"phase": "decode", "layers": "ffn", "width": 4}})


def test_a_model_that_was_saved_quantised_keeps_its_recipe(
    maker: ModelMaker, tmp_path: Any
) -> None:
    maker.make(QUANTISED).network.save_pretrained(tmp_path)
    maker.tokenizer.save_pretrained(tmp_path)
    saved = ModelMaker.load(str(tmp_path))
    made = saved.make(FLOAT)
    assert made.numerics == "fake"
    assert made.recipe is not None
    with pytest.raises(FormatError, match="is quantised already"):
        saved.make(QUANTISED)


def test_float_weights_stay_as_they_are(maker: ModelMaker) -> None:
    before = maker.make(FLOAT).network
    kept = {name: value.clone() for name, value in before.state_dict().items()}
    maker.make(QUANTISED)
    after = maker.make(FLOAT).network.state_dict()
    assert kept.keys() == after.keys()
    assert all(bool((after[name] == value).all()) for name, value in kept.items())
