"""What the tests of serve share: one thread, and a tiny model that chats."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from tests.one_thread import one_thread
from transformers import AutoModelForCausalLM, AutoTokenizer

from plena_cosim.serve import ModelMaker

__all__ = ["one_thread"]

TEMPLATE = (
    "{% if tools %}w50 {{ tools | length }} {% endif %}"
    "{% for message in messages %}{{ message.role }} {{ message.content }} {% endfor %}"
    "{% if add_generation_prompt %}w51{% endif %}"
)


@pytest.fixture(scope="session")
def chat_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, with a tokenizer that has a chat template and an end of text.

    The end has a row of zeros, which is never the likeliest: a text at temperature 0 is endless.
    """
    folder = tmp_path_factory.mktemp("serve") / "tiny"
    shutil.copytree(tiny_model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.eos_token = "w0"
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer.eos_token_id] = 0
    model.config.eos_token_id = model.generation_config.eos_token_id = None
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def maker(chat_model: Path) -> ModelMaker:
    """What makes models of the tiny one."""
    return ModelMaker.load(str(chat_model))
