"""Models by name, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from plena_cosim.evaluate import TextSourceError, load_model


def test_a_folder_loads_in_the_dtype_asked_for(tiny_model: Path) -> None:
    model, tokenizer = load_model(str(tiny_model), dtype=torch.bfloat16)
    assert model.lm_head.weight.dtype == torch.bfloat16
    assert not model.training
    assert tokenizer.vocab_size == 61


def test_a_missing_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = r"cannot load model '.*nowhere': .*give a folder with config\.json"
    with pytest.raises(TextSourceError, match="nowhere': there is no such folder"):
        load_model(str(tmp_path / "nowhere"))
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(TextSourceError, match=message):
        load_model(str(tmp_path / "nowhere"))


def test_a_file_as_model_is_named(words: Path) -> None:
    with pytest.raises(TextSourceError, match="is a file; give the folder that holds config"):
        load_model(str(words))
