"""Recipes are read strictly: PLENA's keys, and one clear error for anything else."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import pytest

from plena_cosim import golden
from plena_cosim.golden import Rounding, Specials
from plena_cosim.passes import KvHandover, MatchBy, Phase, load_quant_config
from plena_cosim.passes.recipe.formats import AttentionFormats, CastFormat, KvPosition
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.selector import CLIP_GRID, LARGEST_ROTATION

RECIPES = sorted((Path(__file__).parents[3] / "configs" / "quant").glob("*.toml"))

MXINT = """
by = "regex_name"
["model\\\\.layers\\\\.\\\\d+\\\\.self_attn\\\\.(q|k|v|o)_proj"]
name = "mxint"
weight_block_size = 16       # Block size for weight quantization
weight_width = 4
data_in_block_size = 16
data_in_width = 6
bias_block_size = 8
bias_width = 7
"""

W4 = {"name": "mxint", "weight_block_size": 32, "weight_width": 4}

MXFP = """
by = "name"
["lm_head"]
name = "mxfp"
weight_block_size = 16
weight_exponent_width = 2
weight_frac_width = 1
data_in_block_size = 16
data_in_exponent_width = 4
data_in_frac_width = 3
"""


ATTENTION = """
['model\\.layers\\.\\d+\\.self_attn$']
name = "mxint"

    ['model\\.layers\\.\\d+\\.self_attn$'.qk_matmul]
    data_in_block_size = 32
    data_in_width = 6

    ['model\\.layers\\.\\d+\\.self_attn$'.av_matmul]
    data_in_block_size = 16
    data_in_exponent_width = 4
    data_in_frac_width = 3

    ['model\\.layers\\.\\d+\\.self_attn$'.rope]
    data_in_exponent_width = 3
    data_in_frac_width = 4
    data_in_round_mode = "rz"

    ['model\\.layers\\.\\d+\\.self_attn$'.softmax]
    data_in_exponent_width = 8
    data_in_frac_width = 7
    data_in_is_finite = false

    ['model\\.layers\\.\\d+\\.self_attn$'.kv_cache]
    data_in_block_size = 64
    data_in_width = 4
    position = "pre_rope"
"""

GPTQ = """
[gptq]
model_name = "some/model"
format = "mxint"
checkpoint_dir = "runs/calibrated"

    [gptq.weight_config]
    weight_block_size = 16
    weight_width = 4
"""


def read(tmp_path: Path, text: str):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return load_quant_config(path)


def test_every_key_of_an_mxint_table(tmp_path: Path) -> None:
    recipe = read(tmp_path, MXINT)
    assert recipe.by is MatchBy.REGEX_NAME
    (selector,) = recipe.selectors
    assert selector.key == r"model\.layers\.\d+\.self_attn\.(q|k|v|o)_proj"
    assert selector.formats.weight == golden.get_format("mxint4", block_size=16)
    assert selector.formats.data_in == golden.get_format("mxint6", block_size=16)
    assert selector.formats.bias == golden.get_format("mxint7", block_size=8)
    assert not selector.bypass
    assert len(recipe.sha256) == 64


def test_every_key_of_an_mxfp_table(tmp_path: Path) -> None:
    (selector,) = read(tmp_path, MXFP).selectors
    assert selector.formats.weight == golden.get_format("mxfp4_e2m1", block_size=16)
    assert selector.formats.data_in == golden.get_format("mxfp8_e4m3", block_size=16)
    assert selector.formats.bias is None


def test_a_missing_role_is_not_quantised(tmp_path: Path) -> None:
    text = 'by = "type"\n[linear]\nname = "mxint"\ndata_in_block_size = 32\ndata_in_width = 8\n'
    (selector,) = read(tmp_path, text).selectors
    assert selector.formats.weight is None
    assert selector.formats.data_in == golden.get_format("mxint8")


def test_selectors_keep_the_order_of_the_file(tmp_path: Path) -> None:
    table = '{ name = "mxint", weight_block_size = 32, weight_width = 4 }'
    recipe = read(tmp_path, f'by = "name"\nb = {table}\na = {table}\nc = {table}\n')
    assert [selector.key for selector in recipe.selectors] == ["b", "a", "c"]


def test_every_sub_table_of_attention(tmp_path: Path) -> None:
    (selector,) = read(tmp_path, ATTENTION).selectors
    assert selector.key == r"model\.layers\.\d+\.self_attn$"
    assert selector.formats.weight is None
    assert selector.formats.attention == AttentionFormats(
        qk_matmul=golden.get_format("mxint6"),
        av_matmul=golden.get_format("mxfp8_e4m3", block_size=16),
        rope=CastFormat(fmt=golden.get_format("e3m4"), rounding=Rounding.RTZ),
        softmax=CastFormat(fmt=golden.get_format("bf16")),
        kv_cache=golden.get_format("mxint4", block_size=64),
        kv_position=KvPosition.PRE_ROPE,
    )
    assert selector.formats.attention.softmax.name == "bf16"


def test_bypassed_and_missing_sub_tables_leave_an_operation_alone() -> None:
    table = {
        "name": "mxint",
        "qk_matmul": {"bypass": True},
        "av_matmul": {"bypass": True, "data_in_block_size": 16, "data_in_width": 4},
        "kv_cache": {"data_in_exponent_width": 5, "data_in_frac_width": 2},
    }
    (selector,) = read_quant_config({"self_attn": table}).selectors
    e5m2 = golden.Minifloat(exp_bits=5, man_bits=2)
    assert selector.formats.attention == AttentionFormats(kv_cache=CastFormat(fmt=e5m2))


def test_scalar_roles_of_a_norm() -> None:
    table = {
        "name": "minifloat",
        "weight_exponent_width": 3,
        "weight_frac_width": 4,
        "data_in_exponent_width": 5,
        "data_in_frac_width": 6,
    }
    formats = read_quant_config({"norm": table}).selectors[0].formats
    assert formats.weight == CastFormat(fmt=golden.get_format("e3m4"))
    assert formats.data_in == CastFormat(fmt=golden.get_format("e5m6"))
    for role in ("weight", "data_in"):
        bypassed = read_quant_config({"norm": {**table, f"{role}_bypass": True}}).selectors[0]
        assert getattr(bypassed.formats, role) is None
        assert sum(f is not None for f in (bypassed.formats.weight, bypassed.formats.data_in)) == 1


@pytest.mark.parametrize(
    ("mode", "rounding"),
    [
        ("rn", Rounding.RNE),
        ("rd", Rounding.RDOWN),
        ("ru", Rounding.RUP),
        ("rz", Rounding.RTZ),
    ],
)
def test_round_modes_and_specials_of_scalar_formats(mode: str, rounding: Rounding) -> None:
    table = {
        "name": "minifloat",
        "data_in_exponent_width": 4,
        "data_in_frac_width": 5,
        "data_in_round_mode": mode,
        "data_in_is_finite": False,
    }
    fmt = read_quant_config({"mlp": table}).selectors[0].formats.data_in
    assert isinstance(fmt, CastFormat)
    assert (fmt.rounding, fmt.fmt.specials) == (rounding, Specials.IEEE)


def test_a_round_mode_of_blocks_wins_over_numerics() -> None:
    recipe = {"numerics": {"rounding": "rna"}, "a": {**W4, "weight_round_mode": "rd"}}
    assert read_quant_config(recipe).selectors[0].formats.weight.rounding is Rounding.RDOWN


def test_a_role_has_scales_and_codes_of_its_own() -> None:
    cache = {"data_in_block_size": 32, "data_in_width": 4, "data_in_scale_rule": "ceil"}
    table = {**W4, "data_in_block_size": 32, "data_in_width": 8, "weight_scale_rule": "clip"}
    recipe = {
        "numerics": {"profile": "mase"},
        "gptq": {
            "model_name": "tiny",
            "format": "mxint",
            "weight_config": {
                "weight_block_size": 32,
                "weight_width": 4,
                "weight_scale_rule": "clip",
            },
        },
        "a": {**table, "gptq": True},
        "b": {**table, "weight_symmetric": True, "data_in_scale_rule": "floor"},
        "c": {"name": "mxint", "kv_cache": cache},
    }
    a, b, c = (selector.formats for selector in read_quant_config(recipe).selectors)
    full = golden.get_format("mxint4", scale_rule="clip", symmetric=False)
    assert a.weight == full
    assert a.data_in == golden.get_format("mxint8", scale_rule="mase", symmetric=False)
    assert b.weight == dataclasses.replace(full, symmetric=True)
    assert b.data_in == golden.get_format("mxint8", scale_rule="floor", symmetric=False)
    assert c.attention.kv_cache == golden.get_format("mxint4", scale_rule="ceil", symmetric=False)


def test_roles_inherit_scales_and_codes_where_they_fit() -> None:
    defaults = {**W4, "weight_scale_rule": "clip", "weight_symmetric": False}
    e2m1 = {"name": "mxfp", "weight_block_size": 32}
    e2m1 |= {"weight_exponent_width": 2, "weight_frac_width": 1}
    recipe = {"defaults": defaults, "a": {}, "b": e2m1, "c": {"weight_scale_rule": "floor"}}
    a, b, c = (selector.formats.weight for selector in read_quant_config(recipe).selectors)
    assert a == golden.get_format("mxint4", scale_rule="clip", symmetric=False)
    assert b == golden.get_format("mxfp4_e2m1", scale_rule="clip")
    assert c == golden.get_format("mxint4", scale_rule="floor", symmetric=False)


def test_an_activation_needs_no_block_size_whatever_the_name() -> None:
    table = {"name": "mxfp", "data_in_exponent_width": 3, "data_in_frac_width": 4}
    formats = read_quant_config({"mlp": table}).selectors[0].formats
    assert formats.data_in == CastFormat(fmt=golden.get_format("e3m4"))


def test_weights_in_mxint_beside_activations_in_mxfp() -> None:
    mixed = {"data_in_block_size": 32, "data_in_exponent_width": 4, "data_in_frac_width": 3}
    formats = read_quant_config({"a": {**W4, **mixed}}).selectors[0].formats
    assert formats.weight == golden.get_format("mxint4")
    assert formats.data_in == golden.get_format("mxfp8_e4m3")


@pytest.mark.parametrize("width", range(2, 17))
@pytest.mark.parametrize("block_size", [8, 16, 32, 64, 128])
def test_every_width_and_block_of_mxint(width: int, block_size: int) -> None:
    table = {"name": "mxint", "weight_width": width, "weight_block_size": block_size}
    weight = read_quant_config({"a": table}).selectors[0].formats.weight
    assert weight == golden.get_format(f"mxint{width}", block_size=block_size)


@pytest.mark.parametrize("exponent", range(1, 6))
@pytest.mark.parametrize("fraction", range(11))
def test_every_element_of_mxfp(exponent: int, fraction: int) -> None:
    table = {
        "name": "mxfp",
        "weight_exponent_width": exponent,
        "weight_frac_width": fraction,
        "weight_block_size": 32,
    }
    weight = read_quant_config({"a": table}).selectors[0].formats.weight
    assert (weight.element.exp_bits, weight.element.man_bits) == (exponent, fraction)


def test_options_of_linear_layers() -> None:
    def options(**keys: object) -> tuple[object, ...]:
        selector = read_quant_config({"a": {**W4, **keys}}).selectors[0]
        return selector.clip_search, selector.online_rotate

    assert options() == ((), None)
    assert options(clip_search=True, online_rotate=True) == (CLIP_GRID, LARGEST_ROTATION)
    assert options(clip_search=[1, 0.75], online_rotate=64) == ((1.0, 0.75), 64)
    assert options(clip_search=False, online_rotate=False) == ((), None)
    assert CLIP_GRID[0] == 1
    assert CLIP_GRID[-1] == 0.5
    assert len(CLIP_GRID) == 11


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, None),
        ({"online_rotate": True}, LARGEST_ROTATION),
        ({"online_rotate": 16}, 16),
        ({"online_rotate": False}, 0),
        ({"online_rotate": 16, "bypass": True}, None),
    ],
)
@pytest.mark.parametrize("operation", ["qk_matmul", "av_matmul", "kv_cache"])
def test_rotations_inside_attention(
    operation: str, keys: dict[str, object], expected: int | None
) -> None:
    four = {"data_in_block_size": 32, "data_in_width": 4}
    table = {"name": "mxint", "rope": {"bypass": True}, operation: four | keys}
    attention = read_quant_config({"a": table}).selectors[0].formats.attention
    fields = {"qk_matmul": "qk_rotate", "av_matmul": "av_rotate", "kv_cache": "kv_rotate"}
    found = {name: getattr(attention, name) for name in fields.values()}
    assert found == dict.fromkeys(found) | {fields[operation]: expected}


def test_the_rotation_table() -> None:
    assert read_quant_config({"a": W4}).rotation is None
    plain = read_quant_config({"a": W4, "rotation": {}}).rotation
    assert (plain.r1, plain.r2, plain.r3, plain.r4, plain.online) == (*[False] * 4, [])
    assert (plain.size, plain.random, plain.seed, plain.semantics) == (None, False, 0, "fused")
    given = {
        "r1": True,
        "r2": True,
        "r3": True,
        "r4": True,
        "online_rotate": True,
        "online": ["o_proj", "x.kv_cache"],
        "size": 64,
        "random": True,
        "seed": 7,
        "semantics": "dequant",
    }
    read = read_quant_config({"rotation": given})  # weights alone may be rotated
    assert read.rotation.model_dump() == {**given, "matrices": None}
    assert read.tables == {"rotation": given}


def test_by_is_regex_name_unless_given() -> None:
    assert read_quant_config({"a": W4}).by is MatchBy.REGEX_NAME
    assert read_quant_config({"by": "glob", "a": W4}).by is MatchBy.GLOB


def test_defaults_are_inherited_where_the_family_knows_them() -> None:
    recipe = read_quant_config(
        {
            "defaults": {
                "name": "mxint",
                "weight_block_size": 16,
                "weight_width": 4,
                "data_in_block_size": 16,
                "data_in_width": 8,
                "online_rotate": 16,
            },
            "plain": {},
            "wider": {"weight_width": 6},
            "floats": {"name": "mxfp", "weight_exponent_width": 2, "weight_frac_width": 1},
            "norm": {"name": "minifloat", "weight_exponent_width": 3, "weight_frac_width": 4},
            "mixed": {"data_in_exponent_width": 4, "data_in_frac_width": 3},
        }
    )
    names = {
        selector.key: [
            fmt and fmt.name for fmt in (selector.formats.weight, selector.formats.data_in)
        ]
        for selector in recipe.selectors
    }
    assert names == {
        "plain": ["mxint4", "mxint8"],
        "wider": ["mxint6", "mxint8"],
        "floats": ["mxfp4_e2m1", None],
        "norm": ["e3m4", None],
        "mixed": ["mxint4", "mxfp8_e4m3"],
    }
    plain, *_, norm, _ = recipe.selectors
    assert plain.explicit == frozenset()
    assert (plain.online_rotate, norm.online_rotate) == (16, None)
    assert norm.explicit == {"weight"}


def test_a_sub_table_of_defaults_is_inherited_as_a_whole() -> None:
    cache = {"data_in_block_size": 32, "data_in_width": 4}
    recipe = {"defaults": {"kv_cache": cache}, "a": {"name": "mxint", "rope": {"bypass": True}}}
    (selector,) = read_quant_config(recipe).selectors
    assert selector.formats.attention.kv_cache == golden.get_format("mxint4")
    assert selector.explicit == {"rope"}


def test_the_machine_goes_into_the_tables(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text('[formats]\naccumulator = "bf16"\n')
    recipe = read(tmp_path, MXINT + '[hardware]\nconfig = "small.toml"\n')
    tables = json.loads(json.dumps(recipe.tables))
    assert tables["hardware"] == {"formats": {"accumulator": "bf16"}}
    again = read_quant_config(tables)
    assert again.hardware == recipe.hardware
    assert again.selectors == recipe.selectors
    assert again.tables == recipe.tables


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_the_same_after_json(path: Path) -> None:
    recipe = load_quant_config(path)
    again = read_quant_config(json.loads(json.dumps(recipe.tables)), source=recipe.source)
    assert replace(recipe, sha256="") == again


def test_profiles_set_the_numerics_and_keys_win() -> None:
    def numerics(**table: object) -> tuple[str, bool]:
        weight = read_quant_config({"numerics": table, "a": W4}).selectors[0].formats.weight
        return weight.scale_rule.value, weight.symmetric

    assert numerics() == numerics(profile="ocp") == ("floor", True)
    assert numerics(profile="mase") == ("mase", False)
    assert numerics(profile="mase", symmetric=True) == ("mase", True)
    assert numerics(profile="ocp", scale_rule="even") == ("even", True)
    assert read_quant_config({"numerics": {"strict": True}, "a": W4}).strict


def test_phases_hold_selectors_and_a_hand_over(tmp_path: Path) -> None:
    recipe = read(
        tmp_path,
        MXINT
        + '[phase]\nkv_handover = "requantize"\n'
        + '[phase.decode.lm_head]\nname = "mxint"\nweight_block_size = 32\nweight_width = 8\n',
    )
    assert recipe.kv_handover is KvHandover.REQUANTIZE
    assert recipe.phases[Phase.PREFILL] == ()
    (selector,) = recipe.phases[Phase.DECODE]
    assert (selector.key, selector.formats.weight.name) == ("lm_head", "mxint8")
    assert read(tmp_path, MXINT).kv_handover is KvHandover.KEEP


def test_calibration_has_the_defaults_of_the_reference(tmp_path: Path) -> None:
    text = MXINT + "gptq = true\n" + GPTQ + "[rotation_search]\n"
    recipe = read(tmp_path, text)
    assert recipe.selectors[0].gptq
    found = recipe.gptq.model_dump()  # and keys of our own
    assert found == found | {
        "model_name": "some/model",
        "format": "mxint",
        "device": "cuda:0",
        "dataset": "wikitext2",
        "nsamples": 128,
        "seqlen": 2048,
        "seed": 0,
        "cali_batch_size": 32,
        "algorithm": "gptq",
        "token_weights": "unit",
        "damp_percent": 0.01,
        "desc_act": False,
        "quantile_search": True,
        "quantiles": [1.0, 0.995, 0.99, 0.97, 0.95, 0.93, 0.9, 0.8, 0.7, 0.6, 0.5],
        "scale_neighbours": 1,
        "clip_search_y": False,
        "descent_sweeps": 0,
        "checkpoint_dir": "runs/calibrated",
        "max_layers": None,
    }
    found = recipe.rotation_search.model_dump()
    assert found == found | {
        "calib_nsamples": 32,
        "calib_seqlen": 1024,
        "improvement_eps": 0.0,
        "matmul_types": None,
        "per_layer": False,
        "seed": 0,
        "cache_path": "runs/calibrated/rotation_decisions.json",
        "cache_winners": True,
        "device": "cuda:0",
        "model_name": "some/model",
        "calib_data": "wikitext2",
    }


def test_calibration_takes_every_key_of_the_reference(tmp_path: Path) -> None:
    gptq = {
        "model_name": "m",
        "format": "mxfp",
        "device": "cpu",
        "dataset": "c4",
        "nsamples": 4,
        "seqlen": 64,
        "seed": 3,
        "cali_batch_size": 2,
        "quantile_search": False,
        "clip_search_y": True,
        "checkpoint_dir": "here",
        "max_layers": 1,
        "weight_config": {
            "weight_block_size": 32,
            "weight_exponent_width": 2,
            "weight_frac_width": 1,
        },
    }
    search = {
        "calib_nsamples": 1,
        "calib_seqlen": 32,
        "improvement_eps": 0.5,
        "matmul_types": ["q_proj", "kv_cache"],
        "cache_path": "there",
        "cache_winners": False,
        "device": "cpu",
        "model_name": "n",
        "calib_data": "ptb",
    }
    recipe = read_quant_config({"gptq": gptq, "rotation_search": search})
    assert recipe.gptq.model_dump(exclude_unset=True) == gptq
    assert recipe.rotation_search.model_dump(exclude_unset=True) == search


@pytest.mark.parametrize("name", ["demo", "file:texts/a.jsonl", "tokens:calib.safetensors"])
def test_calibration_text_has_further_names(tmp_path: Path, name: str) -> None:
    text = GPTQ.replace("[gptq]", f'[gptq]\ndataset = "{name}"', 1)
    recipe = read(tmp_path, MXINT + text + "[rotation_search]\n")
    assert recipe.gptq.dataset == recipe.rotation_search.calib_data == name
    recipe = read(tmp_path, MXINT + f'[rotation_search]\ncalib_data = "{name}"\n')
    assert recipe.rotation_search.calib_data == name


def test_scaling_takes_its_data_from_gptq(tmp_path: Path) -> None:
    data = ("dataset", "nsamples", "seqlen", "seed")
    alone = read(tmp_path, MXINT + '[scaling]\nmethod = "smoothquant"\n').scaling
    assert (alone.method, alone.alpha) == ("smoothquant", 0.5)
    assert [getattr(alone, key) for key in data] == ["wikitext2", 128, 2048, 0]
    text = GPTQ.replace("[gptq]\n", '[gptq]\ndataset = "c4"\nnsamples = 4\nseqlen = 64\n')
    scaling = '[scaling]\nmethod = "awq"\nnsamples = 2\nseed = 3\n'
    shared = read(tmp_path, MXINT + text + scaling).scaling
    assert (shared.method, shared.grid) == ("awq", 20)
    assert [getattr(shared, key) for key in data] == ["c4", 2, 64, 3]
    assert read(tmp_path, MXINT).scaling is None


def test_shared_numerics_reach_every_format(tmp_path: Path) -> None:
    text = MXINT + '[numerics]\nscale_rule = "even"\nrounding = "rna"\nscale_bits = 6\n'
    formats = read(tmp_path, text).selectors[0].formats
    for mx in (formats.weight, formats.data_in, formats.bias):
        assert mx is not None
        assert (mx.scale_rule.value, mx.rounding.value, mx.scale_bits) == ("even", "rna", 6)
    text = MXINT + "[numerics]\nsymmetric = false\n"
    assert read(tmp_path, text).selectors[0].formats.weight.symmetric is False


def test_a_machine_is_found_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text('[formats]\naccumulator = "bf16"\n')
    recipe = read(tmp_path, MXINT + '[hardware]\nconfig = "small.toml"\n')
    assert recipe.hardware is not None
    assert recipe.hardware.accumulator_format == golden.get_format("bf16")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_of_this_project_load(path: Path) -> None:
    assert load_quant_config(path).selectors


def test_there_are_recipes_to_load() -> None:
    assert len(RECIPES) >= 4
