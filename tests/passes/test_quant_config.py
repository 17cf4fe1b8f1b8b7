"""Recipes are read strictly: PLENA's keys, and one clear error for anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim import golden
from plena_cosim.passes import MatchBy, load_quant_config

RECIPES = sorted((Path(__file__).parents[2] / "configs" / "quant").glob("*.toml"))

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


WHERE = r"recipe\.toml \[linear\]: "


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            'name = "mxint"\nweight_widht = 4',
            WHERE + "unknown key 'weight_widht'; known: name, "
            "bypass, weight_block_size.*Did you mean 'weight_width'",
        ),
        ('name = "mxint"\nweight_exponent_width = 2', "unknown key 'weight_exponent_width'"),
        ('name = "mxfp"\nweight_width = 2', "unknown key 'weight_width'"),
        (
            'name = "mxnit"',
            WHERE + "unknown format 'mxnit'; known: mxint, mxfp. Did you mean 'mxint'",
        ),
        ("weight_width = 4", WHERE + "key 'name' is missing; known: mxint, mxfp"),
        ('name = "mxint"\nweight_width = "4"', "weight_width must be a valid integer, got '4'"),
        ('name = "mxint"\nweight_width = 4.0', "weight_width must be a valid integer, got 4.0"),
        ('name = "mxint"\nweight_width = true', "weight_width must be a valid integer, got True"),
        (
            'name = "mxint"\nweight_width = 4',
            "weight: weight_width given without weight_block_size",
        ),
        (
            'name = "mxfp"\ndata_in_frac_width = 1',
            "data_in: data_in_frac_width given without data_in_block_size, data_in_exponent_width",
        ),
        (
            'name = "mxint"\nweight_width = 17\nweight_block_size = 32',
            "weight: mxint: width must be an integer in 2..16, got 17",
        ),
        (
            'name = "mxint"\nweight_width = 4\nweight_block_size = 0',
            r"block_size must be an integer in 1\.\.\d+, got 0",
        ),
        (
            'name = "mxfp"\nbias_exponent_width = 6\nbias_frac_width = 1\nbias_block_size = 32',
            "bias: mxfp: exponent width must be an integer in 1..5, got 6",
        ),
        ('name = "mxint"', "quantises nothing; give weight_, data_in_ or bias_ keys, or bypass"),
        ('name = "mxint"\nbypass = 1', "bypass must be a valid boolean, got 1"),
        ('name = "mxint"\n[linear.qk_matmul]\ndata_in_width = 4', "unknown key 'qk_matmul'"),
    ],
)
def test_a_bad_table_is_named_with_its_key(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(golden.FormatError, match=message):
        read(tmp_path, f'by = "type"\n[linear]\n{body}\n')


GOOD = '[linear]\nname = "mxint"\nweight_width = 4\nweight_block_size = 32\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("by = regex\n", r"quantisation recipe .*recipe\.toml is not valid TOML: .*line 1"),
        (GOOD, "key 'by' is missing; allowed: regex_name, name, type"),
        ('by = "regex"\n' + GOOD, "by = 'regex' is unknown; allowed: .*Did you mean 'regex_name'"),
        ('by = "type"\n', "no selector; give one table for each group of modules"),
        ('by = "type"\nseed = 3\n' + GOOD, "unknown key 'seed' at top level; known: by, numerics"),
        ('by = "regex_name"\n["("]\nname = "mxint"\n', r"\[\(\]: not a regular expression"),
        ('by = "type"\n' + GOOD + '[gptq]\nformat = "mxint"\n', r"\[gptq\] is not supported yet"),
        ('by = "type"\n' + GOOD + "[numerics]\nscale = 3\n",
         r"\[numerics\]: unknown key 'scale'; known: scale_rule.*Did you mean 'scale_rule'"),
        ('by = "type"\n' + GOOD + '[numerics]\nscale_rule = "flor"\n',
         "weight: unknown scale rule 'flor'; known: floor.*Did you mean 'floor'"),
        ('by = "type"\n' + GOOD + "[hardware]\n", r"\[hardware\]: key 'config' is missing"),
        ('by = "type"\n' + GOOD + '[hardware]\nconfig = "no.toml"\n', "no.toml does not exist"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(golden.FormatError, match=message):
        read(tmp_path, text)


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(golden.FormatError, match=r"nowhere\.toml does not exist"):
        load_quant_config(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(golden.FormatError, match=r"binary\.toml is not valid TOML"):
        load_quant_config(tmp_path / "binary.toml")
    with pytest.raises(golden.FormatError, match="Is a directory"):
        load_quant_config(tmp_path)
