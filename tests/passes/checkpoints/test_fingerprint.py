"""Fingerprints of long runs change with all that decides their bits."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from tests.passes.families import build

from plena_cosim import fakequant, golden
from plena_cosim.passes.checkpoints import fingerprint
from plena_cosim.passes.checkpoints.fingerprint import Fingerprint, code_digest, model_digest


def key(model: torch.nn.Module) -> str:
    return Fingerprint.of(model, {"by": "name"}, torch.zeros(1, 2).long()).key


def test_configuration_counts_and_where_it_lies_does_not() -> None:
    model = build("llama")
    before = key(model)
    model.config._name_or_path = "elsewhere"
    assert key(model) == before
    model.config.rms_norm_eps *= 2
    assert key(model) != before
    assert model_digest(model) != model_digest(build("qwen2"))


@pytest.mark.parametrize("name", ["modules/quant_norm.py", "layers/run.py", "calibration/gptq.py"])
def test_every_source_of_the_passes_counts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "passes"
    shutil.copytree(fingerprint._PASSES, copy)
    monkeypatch.setattr(fingerprint, "_PASSES", copy)
    digests = []
    for _ in range(2):
        code_digest.cache_clear()
        digests.append(code_digest())
        (copy / name).write_text((copy / name).read_text() + "# changed\n")
    assert digests[0] != digests[1]
    code_digest.cache_clear()


@pytest.mark.parametrize("package", [golden, fakequant])
def test_the_arithmetic_counts(
    package: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code_digest.cache_clear()
    before = code_digest()
    monkeypatch.setattr(package, "__file__", str(tmp_path / "__init__.py"))
    code_digest.cache_clear()
    assert code_digest() != before
    code_digest.cache_clear()
