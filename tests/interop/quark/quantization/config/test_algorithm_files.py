"""Algorithms out of JSON files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark.quantization.config.config import (
    GPTQConfig,
    QuaRotConfig,
    SmoothQuantConfig,
    load_pre_optimization_config_from_file,
    load_quant_algo_config_from_file,
)


def test_an_algorithm(tmp_path: Path) -> None:
    file = tmp_path / "gptq.json"
    file.write_text('{"name": "gptq", "damp_percent": 0.1}')
    assert load_quant_algo_config_from_file(str(file)) == GPTQConfig(damp_percent=0.1)


@pytest.mark.parametrize("made", [SmoothQuantConfig(alpha=0.5), QuaRotConfig(r4=False)])
def test_a_pre_optimization(tmp_path: Path, made: SmoothQuantConfig | QuaRotConfig) -> None:
    file = tmp_path / "pre.json"
    file.write_text(json.dumps(made.to_dict()))
    assert load_pre_optimization_config_from_file(file) == made
    assert load_quant_algo_config_from_file(file) == made


def test_what_is_no_pre_optimization(tmp_path: Path) -> None:
    file = tmp_path / "gptq.json"
    file.write_text('{"name": "gptq"}')
    with pytest.raises(FormatError, match="unknown algorithm 'gptq'; known: rotation, quarot, smo"):
        load_pre_optimization_config_from_file(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON: "),
        ('{"name": "awk"}', "unknown algorithm 'awk'; .*. Did you mean 'awq'?"),
        ("[1]", "an algorithm needs a name"),
    ],
)
def test_the_message_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "algo.json"
    file.write_text(text)
    with pytest.raises(FormatError, match=f"algo.json.*{message}"):
        load_quant_algo_config_from_file(file)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"none.json does not exist"):
        load_quant_algo_config_from_file(tmp_path / "none.json")
    with pytest.raises(FormatError, match="directory"):
        load_quant_algo_config_from_file(tmp_path)
