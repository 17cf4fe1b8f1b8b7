"""Levels of a configuration as selectors: each module gets what the document says it gets."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any

import pytest

from plena_cosim.evaluate.recipe_text import recipe_text
from plena_cosim.golden import FormatError
from plena_cosim.interop.quark import to_recipe, to_recipe_tables
from plena_cosim.interop.quark.quantization.config.config import (
    AWQConfig,
    Config,
    FP8E4M3PerTensorSpec,
    Int4PerChannelSpec,
    Int8PerGroupSpec,
    Int8PerTensorSpec,
    OCP_MXFP4Spec,
    QuantizationConfig,
    QuantizationSpec,
    Uint8PerTensorSpec,
)
from plena_cosim.interop.quark.quantization.config.type import DeviceType
from plena_cosim.interop.quark.recipe import ROLES
from plena_cosim.interop.quark.recipe_stages import stage_tables
from plena_cosim.interop.quark.schemes import scheme
from plena_cosim.passes.recipe.load import read_quant_config

INT8, FP8 = Int8PerTensorSpec(), FP8E4M3PerTensorSpec()
UINT8: Any = Uint8PerTensorSpec()
MXFP4, INT4 = OCP_MXFP4Spec(), Int4PerChannelSpec(ch_axis=0)
WEIGHT = QuantizationConfig(weight=INT8)
BOTH = QuantizationConfig(weight=MXFP4, input_tensors=FP8, bias=INT8)
OTHER = QuantizationConfig(weight=INT4)
OUTPUT = QuantizationConfig(output_tensors=FP8)
NOTHING = QuantizationConfig()

MODULES = {
    "model.embed_tokens": "Embedding",
    "model.layers.0.self_attn": "LlamaAttention",
    **{
        f"model.layers.{layer}.{name}_proj": "Linear"
        for layer in range(2)
        for name in ("self_attn.q", "self_attn.k", "self_attn.v", "mlp.up", "mlp.down")
    },
    "model.norm": "LlamaRMSNorm",
    "vision.conv": "Conv2d",
    "vision.up": "ConvTranspose2d",
    "lm_head": "Linear",
}

CONFIGS = {
    "global": Config(BOTH),
    "exclude": Config(BOTH, exclude=["lm_head", "*.mlp.*"]),
    "types": Config(BOTH, {"Conv2d": WEIGHT}),
    "transposed convolutions": Config(BOTH, {"ConvTranspose2d": WEIGHT}),
    "a type alone": Config(NOTHING, {"Linear": WEIGHT}),
    "an embedding by type": Config(NOTHING, {"Embedding": BOTH}),
    "names": Config(BOTH, layer_quant_config={"*q_proj": OTHER, "*layers.0.*": WEIGHT}),
    "names in order": Config(BOTH, layer_quant_config={"*layers.0.*": WEIGHT, "*q_proj": OTHER}),
    "a whole name first": Config(
        BOTH, layer_quant_config={"*": WEIGHT, "model.layers.1.mlp.up_proj": OTHER}
    ),
    "all levels": Config(
        BOTH, {"Linear": OTHER}, {"*k_proj": OUTPUT, "vision.*": WEIGHT}, exclude=["*up_proj"]
    ),
    "an embedding by name": Config(BOTH, layer_quant_config={"*embed*": WEIGHT}),
    "an embedding that an earlier name leaves": Config(
        NOTHING, layer_quant_config={"*embed*": OUTPUT, "model*": WEIGHT}
    ),
    "a name that quantises nothing": Config(NOTHING, {"Linear": BOTH}, {"vision*": NOTHING}),
    "cache": Config(BOTH, kv_cache_quant_config={"*k_proj": OUTPUT, "*v_proj": OUTPUT}),
    "cache of its own": Config(
        WEIGHT, kv_cache_quant_config={"*k_proj": QuantizationConfig(FP8, FP8, MXFP4)}
    ),
    "cache over names": Config(
        BOTH,
        layer_quant_config={"*k_proj": OTHER, "model.layers.1.self_attn.v_proj": WEIGHT},
        kv_cache_quant_config={"*k_proj": OUTPUT, "*v_proj": OUTPUT},
    ),
    "cache of what is excluded": Config(
        BOTH, kv_cache_quant_config={"*k_proj": OUTPUT}, exclude=["*k_proj", "lm_head"]
    ),
    "cache of one that is excluded": Config(
        BOTH,
        kv_cache_quant_config={"*k_proj": OUTPUT},
        exclude=["model.layers.0.self_attn.k_proj", "model.layers.1.self_attn.v_proj"],
    ),
    "cache beside a larger exclusion": Config(
        BOTH, kv_cache_quant_config={"*self_attn.k_proj": OUTPUT}, exclude=["*self_attn*"]
    ),
    "cache, the last pattern": Config(
        BOTH, kv_cache_quant_config={"*.0.*k_proj": OUTPUT, "*k_proj": WEIGHT}
    ),
}


def documented(config: Config, name: str, kind: str) -> dict[str, Any]:
    """What a module gets, level by level, as Quark's document says it."""
    if kind not in ("Linear", "Conv2d", "ConvTranspose2d", "Embedding"):
        return {}
    levels = [config.global_quant_config] if kind != "Embedding" else []
    if kind in config.layer_type_quant_config:
        levels.insert(0, config.layer_type_quant_config[kind])
    names = config.layer_quant_config
    matching = [names[name]] if name in names else []
    matching += [given for pattern, given in names.items() if fnmatchcase(name, pattern)]
    levels = matching[:1] + levels
    excluded = any(fnmatchcase(name, pattern) for pattern in config.exclude)
    cache = [given for key, given in config.kv_cache_quant_config.items() if fnmatchcase(name, key)]
    levels = cache[-1:] + levels
    if excluded:
        levels = [QuantizationConfig(output_tensors=cache[-1].output_tensors)] if cache else []
    found = {}
    for tensor, role in ROLES.items():
        given = next((each.stages(tensor) for each in levels if each.stages(tensor)), [])
        if given and (kind != "Embedding" or role == "weight"):
            found[role], _ = stage_tables(given, weight=role in ("weight", "bias"))
    return found


def taken(tables: dict[str, Any], name: str, kind: str) -> dict[str, Any]:
    """What the tables of a recipe give a module: the first selector and the first of its tables."""
    rest = dict(tables)
    assert rest.pop("by") == "glob"
    rest.pop("ranges", None)
    for pattern, selectors in rest.items():
        for table in selectors:
            types = table.get("type", kind)
            if fnmatchcase(name, pattern) and kind in ([types] if types == kind else types):
                selection = ("name", "type", "optional")
                keys = {key: table[key] for key in table if key not in selection}
                return {} if keys.pop("bypass", False) else keys
    return {}


@pytest.mark.parametrize("name", CONFIGS)
def test_each_module_gets_what_is_documented(name: str) -> None:
    config = CONFIGS[name]
    tables = tomllib.loads(recipe_text(to_recipe_tables(config)))
    found = {module: taken(tables, module, kind) for module, kind in MODULES.items()}
    wanted = {module: documented(config, module, kind) for module, kind in MODULES.items()}
    assert found == wanted
    assert any(found.values())


def test_what_comes_from_above_is_noted() -> None:
    config = Config(
        BOTH, layer_quant_config={"*q_proj": QuantizationConfig(weight=INT4, bias=INT8)}
    )
    assert to_recipe(config).notes == (
        "layer_quant_config['*q_proj']: input_tensors is that of a level above; Quark 0.13 leaves "
        "it unquantised",
        "static ranges are calibrated on the text of [ranges], here WikiText-2",
    )


@pytest.mark.parametrize(
    ("config", "note"),
    [
        (
            Config(QuantizationConfig(weight=INT8, target_device=DeviceType.CPU)),
            "global_quant_config: target_device = cpu is not read",
        ),
        (Config(WEIGHT, kv_cache_group=["k", "v"]), "kv_cache_group, min_kv_scale: no kv_cache_"),
        (Config(WEIGHT, min_kv_scale=0.5), "kv_cache_group, min_kv_scale: no kv_cache_quant"),
        (
            Config(
                WEIGHT,
                kv_cache_quant_config={"k": QuantizationConfig(output_tensors=MXFP4)},
                min_kv_scale=0.5,
            ),
            "kv_cache_quant_config['k']: kv_cache_group and min_kv_scale are about static scales",
        ),
        (Config(BOTH), "static ranges are calibrated on the text of [ranges], here WikiText-2"),
        (
            Config(WEIGHT, softmax_quant_spec=UINT8),
            "softmax_quant_spec: of modules called *.self_attn, *.attn, *.self_attention, ",
        ),
        (Config(WEIGHT, quant_mode="fx_graph_mode"), "quant_mode = fx_graph_mode is not read"),  # type: ignore[arg-type]
        (Config(NOTHING, algo_config=[AWQConfig()]), "no level quantises anything"),
        (Config(WEIGHT, algo_config=[AWQConfig()]), "awq: weights are not clipped"),
        (
            Config(BOTH, kv_cache_quant_config={"*k_proj": BOTH}, exclude=["*.0.*"]),
            "kv_cache_quant_config['*k_proj']: of what exclude '*.0.*' names, too",
        ),
        (
            Config(WEIGHT, {}, {"*self_attn*": OTHER}, kv_cache_quant_config={"*k_proj": OUTPUT}),
            "kv_cache_quant_config['*k_proj']: of what layer_quant_config['*self_attn*'] names",
        ),
        (
            Config(scheme("nvfp4")),
            "static ranges are calibrated on the text of [ranges], here WikiText-2",
        ),
        (
            Config(QuantizationConfig(input_tensors=Int8PerGroupSpec(group_size=32))),
            "global_quant_config: input_tensors: groups along the last axis have one static range",
        ),
    ],
)
def test_what_a_recipe_does_not_say_is_noted(config: Config, note: str) -> None:
    assert sum(each.startswith(note) for each in to_recipe(config).notes) == 1


def test_nothing_else_is_noted() -> None:
    assert to_recipe(Config(WEIGHT, exclude=["lm_head"])).notes == ()


def test_algorithms_stand_before_selectors() -> None:
    tables = to_recipe_tables(Config(WEIGHT, exclude=["lm_head"], algo_config=[AWQConfig()]))
    assert tables["scaling"] == {"method": "awq", "grid": 20}
    assert list(tables) == ["by", "scaling", "lm_head", "*"]


def test_selectors_may_match_nothing_where_there_are_several() -> None:
    (alone,) = to_recipe_tables(Config(WEIGHT))["*"]
    assert "optional" not in alone
    several = to_recipe_tables(Config(WEIGHT, exclude=["lm_head"]))
    assert several["lm_head"] == [{"name": "spec", "bypass": True, "optional": True}]
    assert several["*"][0]["optional"] is True


def test_the_cache_shares_a_range_and_has_a_floor() -> None:
    cache = {"*k_proj": OUTPUT, "*v_proj": OUTPUT, "*o_proj": OUTPUT}
    tables = to_recipe_tables(
        Config(
            WEIGHT,
            kv_cache_quant_config=cache,
            kv_cache_group=["*k_proj", "*v_proj"],
            min_kv_scale=1,
        )
    )
    for name, word in (("*k_proj", "kv_cache"), ("*v_proj", "kv_cache"), ("*o_proj", None)):
        output = tables[name][0]["data_out"]
        assert output.get("shared_by") == word
        assert output["min_scale"] == 1.0
        assert "min_scale" not in tables[name][0]["weight"]


def test_probabilities_are_a_key_of_attention() -> None:
    tables = to_recipe_tables(Config(NOTHING, softmax_quant_spec=UINT8))
    assert list(tables) == ["by", "*.self_attn", "*.attn", "*.self_attention", "*.attention"]
    (table,) = tables["*.self_attn"]
    assert table["softmax_out"]["element"] == "uint8"


@pytest.mark.parametrize("name", CONFIGS)
def test_the_recipe_is_one(name: str) -> None:
    recipe = read_quant_config(to_recipe_tables(CONFIGS[name]))
    assert all(each.bypass or each.formats for each in recipe.selectors)


def test_configurations_of_an_installed_quark() -> None:
    """Objects are known by to_dict, in which Quark leaves out group and floor of the cache."""
    data = Config(BOTH, exclude=["lm_head"]).to_dict()
    del data["kv_cache_group"], data["min_kv_scale"]
    theirs = SimpleNamespace(to_dict=lambda: data, kv_cache_group=["k"], min_kv_scale=0.0)
    assert to_recipe_tables(theirs) == to_recipe_tables(Config(BOTH, exclude=["lm_head"]))
    assert "kv_cache_group, min_kv_scale: no kv_cache_quant_config, not read" in (
        to_recipe(theirs).notes
    )
    layer = SimpleNamespace(to_dict=BOTH.to_dict)
    assert to_recipe_tables(layer) == to_recipe_tables(BOTH) == to_recipe_tables(Config(BOTH))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Config(NOTHING), "the configuration quantises nothing"),
        (
            Config(WEIGHT, {"EmbeddingBag": WEIGHT}),
            "changes no EmbeddingBag; known: Linear, Conv2d, ConvTranspose2d, Embedding",
        ),
        (Config(WEIGHT, {"Lineer": WEIGHT}), "Did you mean 'Linear'?"),
        (
            Config(
                WEIGHT,
                softmax_quant_spec=QuantizationSpec("int16", qscheme="per_tensor"),  # type: ignore[arg-type]
            ),
            "softmax_quant_spec: no golden format is int16",
        ),
        (
            Config(WEIGHT, kv_cache_quant_config={"k": OUTPUT}, kv_cache_post_rope=True),
            "kv_cache_post_rope: outputs of projections are quantised before",
        ),
        (
            Config(WEIGHT, layer_quant_config={"*q_proj": QuantizationConfig(
                weight=Int8PerGroupSpec(group_size=-1))}),
            r"layer_quant_config\['\*q_proj'\]: weight: int8 per_group: a group_size of -1",
        ),
        (
            Config(QuantizationConfig(bias=QuantizationSpec("int32", qscheme="per_tensor"))),  # type: ignore[arg-type]
            "global_quant_config: bias: no golden format is int32",
        ),
        ("int8", "need a Config or a QuantizationConfig; got 'int8'"),
    ],
)  # fmt: skip
def test_what_no_recipe_says_is_one_error(config: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        to_recipe(config)
