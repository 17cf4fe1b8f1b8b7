"""Every family goes through the pass, and no result depends on batch, padding or cache."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plena_cosim import golden
from plena_cosim.passes import quantize_module_transform_pass

from .families import FAMILIES, build
from .recipes import full_recipe, token_ids

CASES = [
    (family, numerics)
    for family in FAMILIES
    for numerics in ("fake", "exact")
    if (family, numerics) != ("gemma2", "exact")
]
LENGTH = 19
EVERY_KIND = {"linear layer", "embedding", "attention", "normalisation"}


@cache
def quantised(family: str, numerics: str) -> tuple[nn.Module, Tensor, set[str]]:
    """A model after the pass, its logits before, and the kinds of modules that were replaced."""
    model = build(family)
    before = logits(model, tokens())
    _, info = quantize_module_transform_pass(model, full_recipe(family), numerics=numerics)
    return model, before, {entry.kind for entry in info.values()}


def tokens() -> Tensor:
    return token_ids(3, LENGTH, seed=1)


@torch.no_grad()
def logits(model: nn.Module, ids: Tensor, **kwargs: Any) -> Tensor:
    return model(ids, **kwargs).logits


@cache
def alone(family: str, numerics: str, row: int, length: int = LENGTH) -> Tensor:
    """Logits of the beginning of one sequence."""
    return logits(quantised(family, numerics)[0], tokens()[row : row + 1, :length])


def padded(ids: Tensor, count: int, *, left: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """The sequences, the second `count` tokens shorter and padded on one side."""
    row, mask = ids.clone(), torch.ones_like(ids)
    if left:
        row[1, :count], row[1, count:] = 0, ids[1, : LENGTH - count]
        mask[1, :count] = 0
    else:
        row[1, LENGTH - count :] = 0
        mask[1, LENGTH - count :] = 0
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    return row, {"attention_mask": mask, "position_ids": positions}


@pytest.mark.parametrize(("family", "numerics"), CASES)
def test_logits_stay_near_at_eight_bits(family: str, numerics: str) -> None:
    model, before, kinds = quantised(family, numerics)
    after = logits(model, tokens())
    # Eight bits a block lose half a step of 1/64 an operand; errors add up over two layers.
    assert 0 < (after - before).norm() < 0.05 * before.norm()
    assert kinds >= EVERY_KIND
    assert bool({"MLP", "experts"} & kinds)


@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
@pytest.mark.parametrize(("family", "numerics"), CASES)
def test_neither_batch_nor_padding_changes_a_token(family: str, numerics: str, left: bool) -> None:
    count = 5
    given, kwargs = padded(tokens(), count, left=left)
    found = logits(quantised(family, numerics)[0], given, **kwargs)
    kept = found[1:2, count:] if left else found[1:2, : LENGTH - count]
    assert torch.equal(kept, alone(family, numerics, 1, LENGTH - count))
    assert torch.equal(found[:1], alone(family, numerics, 0))
    assert torch.equal(found[2:], alone(family, numerics, 2))


@pytest.mark.parametrize(("family", "numerics"), CASES)
@torch.no_grad()
def test_decode_writes_the_cache_that_one_pass_writes(family: str, numerics: str) -> None:
    model, ids = quantised(family, numerics)[0], tokens()
    whole = model(ids, use_cache=True).past_key_values
    steps = model(ids[:, : LENGTH - 2], use_cache=True).past_key_values
    for column in range(LENGTH - 2, LENGTH):
        out = model(ids[:, column : column + 1], past_key_values=steps, use_cache=True)
        steps = out.past_key_values
    # The first layer's inputs do not depend on what attention makes of the tokens around.
    assert torch.equal(whole.layers[0].keys, steps.layers[0].keys)
    assert torch.equal(whole.layers[0].values, steps.layers[0].values)


@pytest.mark.parametrize("family", [family for family, numerics in CASES if numerics == "exact"])
def test_two_threads_give_the_bits_of_one(family: str) -> None:
    model, ids = quantised(family, "exact")[0], tokens()
    torch.set_num_threads(2)
    assert torch.equal(logits(model, ids[:1]), alone(family, "exact", 0))


def test_soft_capped_scores_are_refused_with_exact_numerics() -> None:
    model = build("gemma2")
    with pytest.raises(
        golden.FormatError,
        match=r"'model\.layers\.0\.self_attn': soft-capped scores need a tanh, which the machine "
        "does not have; use fake numerics",
    ):
        quantize_module_transform_pass(model, full_recipe("gemma2"), numerics="exact")
    assert isinstance(model.model.embed_tokens, nn.Embedding)  # nothing was replaced


@torch.no_grad()
def decoded(model: nn.Module, ids: Tensor, mask: Tensor, steps: int, **cache: Any) -> Tensor:
    """Logits of the last tokens, written one by one behind a prefill."""
    positions, found = (mask.cumsum(-1) - 1).clamp(min=0), []
    past, start = None, ids.shape[1] - steps
    for begin, end in [
        (0, start),
        *((column, column + 1) for column in range(start, ids.shape[1])),
    ]:
        out = model(
            ids[:, begin:end],
            attention_mask=mask[:, :end],
            position_ids=positions[:, begin:end],
            past_key_values=cache.get("past_key_values") if past is None else past,
            use_cache=True,
        )
        past = out.past_key_values
        found.append(out.logits[:, -1:])
    return torch.cat(found[1:], dim=1)


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("family", ["llama", "mistral", "gpt_oss", "gemma3"])
def test_decode_of_a_padded_batch_is_that_of_each_sequence(family: str, numerics: str) -> None:
    model, ids = quantised(family, numerics)[0], tokens()
    given, kwargs = padded(ids, 5, left=True)
    together = decoded(model, given, kwargs["attention_mask"], 3)
    for row, sequence in ((0, ids[:1]), (1, ids[1:2, : LENGTH - 5])):
        expected = decoded(model, sequence, torch.ones_like(sequence), 3)
        assert torch.equal(together[row : row + 1], expected)


@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("family", ["llama", "gpt_oss"])
def test_a_cache_of_fixed_size_holds_the_same(family: str, numerics: str) -> None:
    from transformers import StaticCache

    model, ids = quantised(family, numerics)[0], tokens()
    mask = torch.ones_like(ids)
    static = StaticCache(config=model.config, max_cache_len=40)
    found = decoded(model, ids, mask, 3, past_key_values=static)
    assert torch.equal(found, decoded(model, ids, mask, 3))
