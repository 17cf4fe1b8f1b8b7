"""Sizes of models: those that come along, and files."""

from __future__ import annotations

import json

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.programs.cost import model_shape, models

BILLIONS = {
    "smollm2-135m": 0.1345,
    "qwen3-0.6b": 0.596,
    "llama-3.2-1b": 1.236,
    "llama-3.2-3b": 3.213,
    "llama-3.1-8b": 8.030,
    "qwen3-32b": 32.76,
    "llama-3.1-70b": 70.55,
}
"""Parameters as the models' pages give them."""
CONFIG = {
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "vocab_size": 100,
}


def test_models_have_the_parameters_that_they_are_known_by() -> None:
    assert models() == sorted(BILLIONS)
    for name, wanted in BILLIONS.items():
        assert model_shape(name).parameters / 1e9 == pytest.approx(wanted, rel=1e-3)


def test_a_config_of_transformers(tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    shape = model_shape(str(tmp_path))
    assert (shape.head_dim, shape.kv_heads, shape.tied_embeddings) == (16, 4, False)
    assert shape == model_shape(str(tmp_path / "config.json"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{}", "lacks hidden, heads, kv_heads"),
        ("a.json", "{", "is not valid JSON"),
        (
            "a.json",
            json.dumps({**CONFIG, "num_key_value_heads": 3}),
            "kv_heads = 3 does not divide",
        ),
        ("a.json", json.dumps({**CONFIG, "vocab_size": 0}), "vocabulary = 0; need a positive"),
        ("a.toml", "hiden = 3", "no key 'hiden'. Did you mean 'hidden'"),
        ("a.toml", "hidden = ", "is not valid TOML"),
    ],
)
def test_files_that_are_wrong(tmp_path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        model_shape(str(path))
    assert message in str(caught.value)


def test_names_that_are_not_known(tmp_path) -> None:
    with pytest.raises(FormatError, match=r"no sizes of a model named 'llama-3.1'.*Did you mean"):
        model_shape("llama-3.1")
    for missing in ("a.toml", "a.json"):
        with pytest.raises(FormatError, match="cannot be read: No such file"):
            model_shape(str(tmp_path / missing))
