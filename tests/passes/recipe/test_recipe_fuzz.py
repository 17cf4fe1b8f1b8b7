"""Random changes to valid recipes: a FormatError or a recipe that is one, never anything else."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from plena_cosim.golden import FormatError
from plena_cosim.passes import Numerics, quantize_module_transform_pass
from plena_cosim.passes.plan.match import choose
from plena_cosim.passes.recipe.json_schema import recipe_schema
from plena_cosim.passes.recipe.load import load_quant_config, read_quant_config
from plena_cosim.passes.recipe.recipe import Phase, Recipe

try:
    import jsonschema
except ImportError:  # it is no dependency; with it the schema is tried as well
    jsonschema = None

SCHEMA = recipe_schema()
QUANT = Path(__file__).parents[3] / "configs" / "quant"
RICH: dict[str, Any] = {
    "by": "regex_name",
    "exclude": ["lm_head"],
    "defaults": {"name": "mxint", "weight_block_size": 32, "weight_width": 4},
    "numerics": {"profile": "mase", "scale_rule": "even", "rounding": "rna", "symmetric": True},
    "hardware": {"dimensions": {"mlen": 32}, "formats": {"vector": "bf16"}},
    "gptq": {
        "model_name": "m",
        "format": "mxint",
        "weight_config": {"weight_block_size": 32, "weight_width": 4},
    },
    "rotation_search": {"matmul_types": ["q_proj"], "improvement_eps": 0.0},
    "rotation": {
        "r2": True,
        "r3": True,
        "r4": True,
        "online": ["q_proj", "kv_cache"],
        "size": 16,
        "random": True,
        "seed": 1,
    },
    "scaling": {"method": "smoothquant", "alpha": 0.7, "nsamples": 8},
    "phase": {"kv_handover": "keep", "decode": {"a": {"weight_width": 8}}},
    "a": {"gptq": True, "online_rotate": 32, "data_in_block_size": 32, "data_in_width": 8},
    "s": {
        "name": "spec",
        "type": "Linear",
        "optional": True,
        "weight": [{"element": "fp8_e4m3"}, {"element": "int4", "group_size": 16}],
        "data_in": {"element": "int8", "zero_point": "int32", "range": "min_max"},
    },
    "b": {"clip_search": [1.0, 0.5], "bias_block_size": 32, "bias_width": 8},
    "c": {
        "name": "mxfp",
        "qk_matmul": {"data_in_block_size": 16, "data_in_width": 4, "online_rotate": 16},
        "softmax": {"data_in_exponent_width": 3, "data_in_frac_width": 4},
        "kv_cache": {"bypass": True, "position": "pre_rope"},
    },
    "d": {"name": "minifloat", "data_in_exponent_width": 3, "data_in_frac_width": 4},
}
RECIPES = [RICH, *(tomllib.loads(path.read_text()) for path in sorted(QUANT.glob("*.toml")))]

KEYS = sorted(
    {key for kind in SCHEMA["$defs"].values() for key in kind.get("properties", {})}
    | set(SCHEMA["properties"])
    | {"", "(", "a", "weight_widht", "[", "x.y"}
)
VALUES = st.one_of(
    st.integers(-3, 70),
    st.integers(),
    st.booleans(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["mxint", "mxfp", "minifloat", "regex_name", "glob", "rz", "mase", "e4m3"]),
    st.lists(st.one_of(st.integers(0, 2), st.floats(0, 1), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.sampled_from(KEYS), st.integers(0, 33), max_size=3),
)


def tables_of(recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a recipe and all tables inside it."""
    found = [recipe]
    for value in recipe.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                found += tables_of(inner)
    return found


NODES = {
    key: node
    for kind in (SCHEMA, *SCHEMA["$defs"].values())
    for key, node in kind.get("properties", {}).items()
}


def fitting(key: str) -> st.SearchStrategy[Any]:
    """Values that the schema allows under a key; anything under an unknown one."""
    node = NODES.get(key, {})
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if "maximum" in node and "minimum" in node:
        return st.integers(node["minimum"], min(node["maximum"], 40))
    if node.get("type") == "boolean":
        return st.booleans()
    return st.sampled_from(node["examples"]) if node.get("examples") else VALUES


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a recipe with one to three changes."""
    recipe = copy.deepcopy(draw(st.sampled_from(RECIPES)))
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        table = draw(st.sampled_from(tables_of(recipe)))
        change = draw(st.sampled_from(["fit", "fit", "fit", "set", "drop", "rename", "move"]))
        known = [key for key in table if key in NODES] if change == "fit" else list(table)
        key = draw(st.sampled_from([*known, *known, draw(st.sampled_from(KEYS))]))
        if change in ("set", "fit"):
            table[key] = copy.deepcopy(draw(VALUES if change == "set" else fitting(key)))
            continue
        value = table.pop(key, 4)
        if change == "rename":
            table[draw(st.sampled_from(KEYS))] = value
        elif change == "move":
            draw(st.sampled_from(tables_of(recipe)))[key] = value
    return recipe


def test_the_recipe_that_is_changed_is_valid() -> None:
    assert isinstance(read_quant_config(RICH), Recipe)


def complaint(read: Callable[[], Any]) -> str | None:
    """Return the text of a FormatError, None where there was none; others are failures."""
    try:
        read()
    except FormatError as error:
        return str(error)
    return None


@settings(max_examples=1500, deadline=None)
@given(mutated())
def test_a_changed_recipe_is_valid_or_one_clear_error(recipe: dict[str, Any]) -> None:
    before = repr(recipe)
    text = complaint(lambda: read_quant_config(recipe, source="x.toml"))
    assert repr(recipe) == before
    if text is not None:
        assert "x.toml" in text
        assert len(text) < 2000
        return
    read = read_quant_config(recipe, source="x.toml")
    again = read_quant_config(json.loads(json.dumps(read.tables)), source="x.toml")
    assert again == read
    assert hash(read.selectors) == hash(again.selectors)
    if jsonschema is not None:
        jsonschema.Draft202012Validator(SCHEMA).validate(recipe)


CONFIG = LlamaConfig(
    vocab_size=64,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=1,
    num_attention_heads=1,
    num_key_value_heads=1,
)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """A Llama of one layer, without weights."""
    with torch.device("meta"):
        return LlamaForCausalLM(CONFIG)


@settings(max_examples=300, deadline=None)
@given(recipe=mutated())
def test_a_changed_recipe_chooses_modules_or_says_why_not(
    model: nn.Module, recipe: dict[str, Any]
) -> None:
    def choices() -> None:
        read = read_quant_config(recipe, source="x.toml")
        for phase in (None, *Phase):
            assert set(choose(model, read, phase)) <= {name for name, _ in model.named_modules()}

    text = complaint(choices)
    assert text is None or "x.toml" in text


@settings(max_examples=150, deadline=None)
@given(recipe=mutated(), numerics=st.sampled_from(list(Numerics)))
def test_a_changed_recipe_quantises_a_model_or_says_why_not(
    recipe: dict[str, Any], numerics: Numerics
) -> None:
    for calibration in ("gptq", "scaling", "rotation_search"):
        recipe.pop(calibration, None)
    model = LlamaForCausalLM(CONFIG).eval()
    text = complaint(lambda: quantize_module_transform_pass(model, recipe, numerics=numerics))
    if text is None:
        with torch.no_grad():
            first = model(torch.arange(9)[None])
            again = model(torch.tensor([[3]]), past_key_values=first.past_key_values)
        assert first.logits.shape == (1, 9, 64)
        assert again.logits.shape == (1, 1, 64)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_file_is_valid_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from(sorted(QUANT.glob("*.toml")))).read_bytes()
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 9))
    path = tmp_path_factory.getbasetemp() / "changed.toml"
    path.write_bytes(text[:start] + data.draw(st.binary(max_size=4)) + text[start + length :])
    said = complaint(lambda: load_quant_config(path))
    assert said is None or "changed.toml" in said
