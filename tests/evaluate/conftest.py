"""What the tests of evaluate share: one thread, and a model that knows an end of text."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.one_thread import one_thread
from transformers import AutoTokenizer

__all__ = ["one_thread"]


@pytest.fixture(scope="session")
def ending_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, with a tokenizer that knows an end of text."""
    folder = tmp_path_factory.mktemp("ending") / "model"
    shutil.copytree(tiny_model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.eos_token = "w0"
    tokenizer.save_pretrained(folder)
    return folder
