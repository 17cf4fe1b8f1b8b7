"""What the reference's own files and loader hold is read as it is meant."""

from __future__ import annotations

import logging
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.passes.recipes import GPTQ, LINEAR, W4, W4A4

from plena_cosim.golden import FormatError
from plena_cosim.passes import load_quant_config
from plena_cosim.passes.recipe.load import read_quant_config

TABLES: dict[str, Any] = {
    "by": "regex_name",
    "exclude": ["lm_head"],
    "numerics": {"profile": "mase"},
    "hardware": {"formats": {"vector": "bf16"}},
    "gptq": GPTQ,
    "rotation_search": {"calib_nsamples": 4},
    "rotation": {"r3": True},
    LINEAR: {**W4A4, "gptq": True},
    r"model\.layers\.\d+\.self_attn$": {"name": "mxint", "kv_cache": {"bypass": True}},
}


def as_mase_loads(tables: dict[str, Any]) -> dict[str, Any]:
    """Every table but [gptq] is put into {"config": …}, and so is every list."""
    raw = deepcopy(tables)
    made = {"by": raw.pop("by", "regex_name"), "gptq": raw.pop("gptq")}
    return {**made, **{key: {"config": value} for key, value in raw.items()}}


def test_wrapped_tables_are_the_tables() -> None:
    plain, wrapped = read_quant_config(TABLES), read_quant_config(as_mase_loads(TABLES))
    assert plain.selectors == wrapped.selectors
    assert plain.gptq == wrapped.gptq
    assert plain.rotation_search == wrapped.rotation_search
    assert plain.exclude == wrapped.exclude
    assert plain.tables == wrapped.tables


def test_a_machine_of_a_file_keeps_its_config(tmp_path: Path) -> None:
    (tmp_path / "machine.toml").write_text('[formats]\nvector = "bf16"\n')
    tables = {"hardware": {"config": "machine.toml"}, LINEAR: W4A4}
    wrapped = {key: {"config": value} for key, value in tables.items()}
    plain = read_quant_config(tables, folder=tmp_path)
    assert plain.hardware is not None
    assert plain.tables == read_quant_config(wrapped, folder=tmp_path).tables


def test_a_file_with_by_alone_quantises_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "fp16.toml"
    file.write_text('# fp16\nby = "regex_name"\n')
    with caplog.at_level(logging.WARNING):
        assert load_quant_config(file).selectors == ()
    assert "no selector, so that nothing is quantised" in caplog.text


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "windows.toml"
    file.write_bytes(
        b'\xef\xbb\xbfby = "type"\r\n[linear]\r\nname = "mxint"\r\n'
        b"weight_block_size = 16\r\nweight_width = 4\r\n"
    )
    assert [selector.key for selector in load_quant_config(file).selectors] == ["linear"]


@pytest.mark.parametrize(
    "header",
    [
        r"[model\.layers\.\d+\.mlp]",
        "[model.layers.*.mlp]",
        "[(q|k)_proj]",
        r'["model\.layers\.\d+\.mlp"]',
        r"model\.layers = 1",
    ],
)
def test_an_unquoted_selector_is_told_to_be_quoted(tmp_path: Path, header: str) -> None:
    file = tmp_path / "unquoted.toml"
    file.write_text(f'{header}\nname = "mxint"\n')
    with pytest.raises(FormatError, match="stands between single quotes"):
        load_quant_config(file)


@pytest.mark.parametrize("key", ["model.layers.0.mlp", "model.layers.0.self_attn.kv_cache"])
def test_names_that_toml_takes_apart_are_told_to_be_quoted(key: str) -> None:
    tables = tomllib.loads(f'[{key}]\nname = "mxint"\nweight_width = 4\n')
    with pytest.raises(FormatError, match=r"between quotes, such as \['model.layers.0"):
        read_quant_config(tables)


def test_a_note_names_the_selectors_that_round_calibrated_weights_again() -> None:
    other = {"name": "mxint", "weight_block_size": 32, "weight_width": 4}
    tables = {"gptq": GPTQ, "a": W4A4, "b": other, "c": {"name": "mxint", **W4}}
    (note,) = read_quant_config(tables).notes
    assert "add the line gptq = true to [a], [c]" in note
    (note,) = read_quant_config({"gptq": GPTQ, "b": other}).notes
    assert "gptq = true to [b], with the format of [gptq.weight_config]" in note
    (note,) = read_quant_config({"gptq": GPTQ}).notes
    assert note.endswith("not rounded again")
    assert not read_quant_config({"gptq": GPTQ, "a": {**W4A4, "gptq": True}, "b": other}).notes
