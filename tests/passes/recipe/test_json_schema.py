"""The schema, the documentation and the command line say what the reader of recipes does."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter
from rich.console import Console
from typer.testing import CliRunner

from plena_cosim.cli.main import app
from plena_cosim.docs import recipe_reference as recipe_docs
from plena_cosim.golden import FormatError, Minifloat, Mx, mxfp, mxint
from plena_cosim.passes.kinds import all_kinds
from plena_cosim.passes.recipe import calibration_tables, rotation_table, selector_tables
from plena_cosim.passes.recipe import file_tables as tables
from plena_cosim.passes.recipe.file_tables import RecipeFile
from plena_cosim.passes.recipe.json_schema import DIALECT, recipe_schema

RECIPES = sorted((Path(__file__).parents[3] / "configs" / "quant").glob("*.toml"))
SCHEMA = recipe_schema()


FIELDS: list[tuple[str, str, dict[str, Any]]] = [
    (table, key, node)
    for table, kind in {"RecipeFile": SCHEMA, **SCHEMA["$defs"]}.items()
    for key, node in kind.get("properties", {}).items()
]
"""Table, key and schema of every key of every table."""


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_our_recipes_are_valid(path: Path) -> None:
    recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    RecipeFile.model_validate(recipe)
    jsonschema.Draft202012Validator(SCHEMA).validate(recipe)


def test_the_schema_is_one_of_draft_2020_12() -> None:
    assert SCHEMA["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert not validator.is_valid({"by": "regex"})
    assert not validator.is_valid({"lm_head": {"name": "mxint", "weight_widht": 4}})
    assert not validator.is_valid({"lm_head": {"name": "mxint", "weight_width": 17}})


@pytest.mark.parametrize(("table", "key", "node"), FIELDS)
def test_every_key_has_a_description_and_an_example(table: str, key: str, node: Any) -> None:
    assert node["description"].endswith((".", "…")), (table, key)
    assert node["examples"], (table, key)


MODELS = {
    name: model
    for module in (calibration_tables, rotation_table, selector_tables, tables)
    for name, model in vars(module).items()
}
"""The models of all tables by name."""


@pytest.mark.parametrize(("table", "key", "node"), FIELDS)
def test_examples_are_what_the_reader_takes(table: str, key: str, node: Any) -> None:
    field = MODELS[table].model_fields[key]
    for example in node["examples"]:
        TypeAdapter(field.annotation).validate_python(example)
        assert example != field.default


def made(key: str, table: str, value: int) -> Any:
    """Build the format that has this value under this key."""
    if key.endswith("block_size"):
        return mxint(8, block_size=value)
    if key.endswith("exponent_width"):
        return mxfp(value, 1) if blocks_only(key, table) else Minifloat(exp_bits=value, man_bits=1)
    if key.endswith("frac_width"):
        return mxfp(2, value) if blocks_only(key, table) else Minifloat(exp_bits=2, man_bits=value)
    if key == "scale_bits":
        return mxint(8, scale_bits=value)
    return mxint(value)


def blocks_only(key: str, table: str) -> bool:
    """Whether no scalar format can stand under this key."""
    if table == "DefaultsTable":
        return key.startswith("bias")
    return table == "GptqWeightTable" or (table == "MxTable" and not key.startswith("data_in"))


RANGES = [
    (table, key, node)
    for table, key, node in FIELDS
    if "maximum" in node and key.endswith(("block_size", "_width", "scale_bits"))
]


@pytest.mark.parametrize(("table", "key", "node"), RANGES)
def test_ranges_are_those_of_golden(table: str, key: str, node: Any) -> None:
    for value in (node["minimum"], node["maximum"]):
        assert isinstance(made(key, table, value), (Mx, Minifloat))
    for value in (node["minimum"] - 1, node["maximum"] + 1):
        with pytest.raises(FormatError):
            made(key, table, value)


def test_the_documentation_is_fresh_and_complete() -> None:
    text = recipe_docs.DOCUMENT.read_text(encoding="utf-8")
    assert text == recipe_docs.renewed(text), "run `plena recipe docs --write`"
    same = {"DefaultsTable", "CastTable", "MatmulTable"}  # keys of other tables again
    assert set(recipe_docs.tables()) - same == set(recipe_docs.shown(text))


def test_the_recipes_in_the_documentation_load(tmp_path: Path) -> None:
    from plena_cosim.passes import load_quant_config

    text = recipe_docs.DOCUMENT.read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in text.split("```toml\n")[1:]]
    assert len(blocks) >= 5
    for block in blocks:
        (tmp_path / "recipe.toml").write_text(block)
        load_quant_config(tmp_path / "recipe.toml")


def test_the_command_prints_the_schema() -> None:
    printed = CliRunner().invoke(app, ["recipe", "schema"])
    assert json.loads(printed.stdout) == json.loads(json.dumps(SCHEMA))


def test_the_command_prints_selectors_and_formats(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("plena_cosim.cli.recipe.console", Console(width=160))
    path = tmp_path / "x.toml"
    path.write_text(
        'by = "glob"\nexclude = ["*.lm_head"]\n[numerics]\nstrict = true\n'
        '["*.[qk]_proj"]\nname = "mxint"\nweight_block_size = 32\nweight_width = 4\n'
        "online_rotate = true\nclip_search = [1.0, 0.5]\n"
        '[b]\nname = "mxint"\nbypass = true\n'
        "[c.kv_cache]\ndata_in_exponent_width = 4\ndata_in_frac_width = 3\nonline_rotate = 8\n"
        "[rotation]\nr1 = true\nr3 = true\nonline = ['o_proj']\nrandom = true\nseed = 3\n"
        '[defaults]\nname = "mxint"\n'
        '[phase.decode.d]\nname = "mxfp"\ndata_in_exponent_width = 3\ndata_in_frac_width = 4\n'
    )
    shown = CliRunner().invoke(app, ["recipe", "check", str(path)]).stdout
    shown = " ".join(shown.split())  # the title may take two lines
    for part in (
        "by glob", "*.[qk]_proj", "mxint4 / 32", "online_rotate largest", "clip_search 1.0, 0.5",
        "bypass", "kv_cache e4m3", "keys post_rope", "decode: d", "e3m4",
        "kv_cache online_rotate 8", "rotation: r1, r3, o_proj; largest that fits, random signs of "
        "seed 3; fused", "excluded: *.lm_head", "cache from prefill to decode: keep", "strict: ",
    ):  # fmt: skip
        assert part in shown, part


def test_the_command_names_the_one_thing_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('[a]\nname = "mxint"\n')
    failed = CliRunner().invoke(app, ["recipe", "check", str(tmp_path / "x.toml")])
    assert isinstance(failed.exception, FormatError)
    assert "x.toml [a]: quantises nothing" in str(failed.exception)


def test_the_command_prints_and_writes_the_documentation(tmp_path: Path, monkeypatch) -> None:
    printed = CliRunner().invoke(app, ["recipe", "docs"]).stdout
    assert "### GptqTable" in printed
    document = tmp_path / "recipe.md"
    document.write_text("before\n<!-- keys PhaseTable -->\nstale\n<!-- /keys -->\nafter\n")
    monkeypatch.setattr(recipe_docs, "DOCUMENT", document)
    assert "renewed" in CliRunner().invoke(app, ["recipe", "docs", "--write"]).stdout
    assert "fresh" in CliRunner().invoke(app, ["recipe", "docs", "--write"]).stdout
    text = document.read_text()
    assert text.startswith("before\n<!-- keys PhaseTable -->\n| key |")
    assert text.endswith("<!-- /keys -->\nafter\n")
    assert "stale" not in text


def test_the_documentation_says_what_each_kind_takes() -> None:
    lines = recipe_docs.DOCUMENT.read_text(encoding="utf-8").splitlines()
    for kind in all_kinds():
        row = next((line for line in lines if line.startswith(f"| {kind.name} |")), "")
        assert row, f"the table of kinds in docs/recipe.md has no row `| {kind.name} | … |`"
        named = set(re.findall(r"`(\w+)`", row.split("|")[3]))
        assert {name.removesuffix("_") for name in named} == set(kind.accepts.names()), kind.name
