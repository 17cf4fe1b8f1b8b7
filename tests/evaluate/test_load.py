"""Models and texts by name, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from plena_cosim.evaluate import EvaluationError, load_model, load_text
from plena_cosim.evaluate.demo_model import convert_gguf
from plena_cosim.evaluate.load import tokenize


def test_a_folder_loads_in_the_dtype_asked_for(tiny_model: Path) -> None:
    model, tokenizer = load_model(str(tiny_model), dtype=torch.bfloat16)
    assert model.lm_head.weight.dtype == torch.bfloat16
    assert not model.training
    assert tokenize(tokenizer, "w3 w1 nothing w2").tolist() == [4, 2, 0, 3]
    assert tokenize(tokenizer, "w3 w1 w2", limit=2).tolist() == [4, 2]


def test_a_text_file_is_read(words: Path) -> None:
    assert load_text(str(words)).split()[0] == "w7"


def test_a_missing_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = r"cannot load model '.*nowhere': .*give a folder with config\.json"
    with pytest.raises(EvaluationError, match=message):
        load_model(str(tmp_path / "nowhere"))
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(EvaluationError, match=message):
        load_model(str(tmp_path / "nowhere"))


def test_a_file_as_model_is_named(words: Path) -> None:
    with pytest.raises(EvaluationError, match="is a file; give the folder that holds config"):
        load_model(str(words))


def test_a_bad_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"no\.txt': No such file or directory; give a UTF-8"):
        load_text(str(tmp_path / "no.txt"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EvaluationError, match="binary' is not UTF-8"):
        load_text(str(tmp_path / "binary"))


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
    with pytest.raises(EvaluationError, match=r"model\.gguf .*not a whole GGUF file \(truncated"):
        convert_gguf(path, tmp_path / "converted")
    assert [p.name for p in tmp_path.iterdir()] == ["model.gguf"]
