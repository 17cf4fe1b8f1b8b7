"""What is told of a family is what its small model shows."""

from __future__ import annotations

import pytest
from torch import nn

from plena_cosim.evaluate.families import check
from plena_cosim.evaluate.families.check import check_family

PER_LAYER = {"llama": 7, "gpt2": 4, "falcon": 4, "gpt_neox": 4}


@pytest.mark.parametrize("family", PER_LAYER)
def test_every_matrix_of_a_dense_family(family: str) -> None:
    result = check_family(family)
    assert (result.stopped, result.fault) == ("", "")
    assert result.quantized == 4 * PER_LAYER[family] + 1
    assert (result.unable, result.silent) == ({}, [])
    assert result.tables == (2 if family == "gpt2" else 1)


def test_attention_that_is_known_takes_every_operation() -> None:
    found = check_family("llama").attention
    assert found.modules == 4
    assert found.quantized == ["kv_cache", "qk_matmul", "av_matmul"]
    assert not found.refused


def test_routers_stay_and_experts_do_not() -> None:
    result = check_family("qwen3_moe")
    assert result.unable == {"a recipe changes no weight of Qwen3MoeTopKRouter": 4}
    assert result.quantized == 4 * (4 + 2) + 1


def test_what_is_no_matrix_product_is_named_as_well() -> None:
    result = check_family("mamba")
    assert result.unable == {
        "a recipe changes no A_log of MambaMixer": 4,
        "a recipe changes no weight of Conv1d": 4,
    }
    assert {name.rpartition(".")[2] for name in result.silent} == {"dt_proj"}
    assert result.attention.modules == 0


def test_a_family_without_a_model_says_why() -> None:
    result = check_family("gemma3n")
    assert result.stopped.startswith("no model: ImportError: TimmWrapperModel requires")
    assert result.architecture == ""


def test_attention_of_no_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class OddAttention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Linear(64, 64)

    model = check._small_model("llama")
    model.model.layers[0].odd = OddAttention()
    found = check._check_attention(model, check._output(model))
    assert found.refused == {"modules": "a recipe knows no attention in OddAttention"}
    assert found.modules == 4


def test_a_format_without_an_effect_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "quantize_module_transform_pass", lambda model, recipe: (model, {}))
    model = check._small_model("llama")
    found = check._check_attention(model, check._output(model))
    assert set(found.refused.values()) == {"its format changes no output"}
    assert not found.quantized


def test_a_fault_of_ours_is_told_from_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("here")

    monkeypatch.setattr(check, "quantize_module_transform_pass", broken)
    result = check_family("llama")
    assert result.fault == "KeyError: 'here'"
    assert result.stopped == ""
