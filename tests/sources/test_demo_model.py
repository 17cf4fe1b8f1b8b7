"""The demo model is converted whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.sources import TextSourceError
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
