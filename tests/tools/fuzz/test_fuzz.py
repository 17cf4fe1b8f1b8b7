"""Mistakes in files and requests, some of each kind: `make fuzz-long` tries many more."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tools.fuzz.mutate import mutated
from tools.fuzz.run import fuzz_files, fuzz_folder
from tools.fuzz.saved_model import saved_model
from tools.fuzz.targets import MAKERS, Target

from plena_cosim.golden import FormatError
from plena_cosim.interop.quark.quantization.config.config import QuantizationConfig
from plena_cosim.passes import load_quant_config


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__.strip("_"))
def test_one_clear_error_or_none(make: Callable[[], Target]) -> None:
    found = fuzz_files(make(), count=1000)
    assert found.failed == []
    assert found.read > 0
    assert found.refused > 0


def test_saved_models(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    load, same = saved_model(folder)
    assert same(load(folder))
    found = fuzz_folder(folder, load, same, count=50, seed=0)
    assert found.failed == []
    assert found.refused > 25


def test_the_same_seed_makes_the_same_mistakes() -> None:
    content = b'{"a": 1, "b": [2, 3]}'
    one, two = ([mutated(content, random.Random(seed)) for seed in range(50)] for _ in range(2))
    assert one == two
    assert len(set(one)) > 40


def test_what_is_wrong_is_counted() -> None:
    def read(path: Path) -> None:
        if b"b" not in path.read_bytes():
            raise TypeError("no b")

    found = fuzz_files(Target(name="t", suffix=".t", right=[b"abc"], read=read), count=200)
    assert found.read + len(found.failed) == 200
    assert len(found.failed) > 20
    assert found.failed[0][1] == "TypeError: no b"


def test_what_was_found(tmp_path: Path) -> None:
    """Keys that are lists, and tables in the place of names: TypeErrors once."""
    path = tmp_path / "experiment.yaml"
    path.write_text("quantize:\n  backend: torchao\n  layers: [{module_name: a, [b]: c}]\n")
    with pytest.raises(FormatError, match="a key is no plain value"):
        load_quant_config(path)
    with pytest.raises(FormatError, match="unknown target_device"):
        QuantizationConfig(target_device={})
