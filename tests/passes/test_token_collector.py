"""[token_collector] keeps what a model is given, in the reference's file format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.token_collector import CollectorFull
from plena_cosim.sources.token_file import read_token_file


class Model(nn.Module):
    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None) -> torch.Tensor:
        return input_ids


def table(path: Path, **changes: Any) -> dict[str, Any]:
    known = {"target_nsamples": 3, "seqlen": 8, "save_path": str(path), "min_prefill_tokens": 4}
    return {"token_collector": {**known, **changes}}


def test_the_table_alone_is_a_recipe(tmp_path: Path) -> None:
    made = read_quant_config(table(tmp_path / "x.pt")).token_collector
    assert made is not None
    assert (made.overwrite, made.raise_on_full) == (False, False)
    with pytest.raises(FormatError, match=r"\[token_collector\]: unknown key 'seqlenn'"):
        read_quant_config(table(tmp_path / "x.pt", seqlenn=3))


def test_prompts_become_samples(tmp_path: Path) -> None:
    path = tmp_path / "new" / "samples.pt"
    path.parent.mkdir()
    model, info = quantize_module_transform_pass(Model(), table(path))
    assert info == {}
    model(torch.arange(12)[None])
    model(torch.tensor([[99]]))  # a step of decode
    ids = torch.stack([torch.arange(12, 22), torch.arange(20, 30)])
    mask = torch.ones_like(ids)
    mask[1, :2] = 0  # padding
    model(input_ids=ids, attention_mask=mask)
    assert model.token_collector.complete
    assert torch.equal(read_token_file(str(path))[0], torch.arange(24).reshape(3, 8))
    model(ids)  # goes on as if nothing had been


def test_a_full_collector_may_end_the_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "samples.pt"
    model, _ = quantize_module_transform_pass(Model(), table(path, raise_on_full=True))
    with pytest.raises(CollectorFull, match="3 samples of 8 tokens"):
        model(torch.arange(30)[None])
    assert path.is_file()
    with pytest.raises(FormatError, match="exists; give overwrite = true"):
        quantize_module_transform_pass(Model(), table(path))
    quantize_module_transform_pass(Model(), table(path, overwrite=True))


def test_what_there_is_can_be_saved(tmp_path: Path) -> None:
    path = tmp_path / "samples.pt"
    model, _ = quantize_module_transform_pass(Model(), table(path))
    model(torch.arange(20)[None])
    assert model.token_collector.finalize() == 2
    assert torch.equal(read_token_file(str(path))[0], torch.arange(16).reshape(2, 8))
