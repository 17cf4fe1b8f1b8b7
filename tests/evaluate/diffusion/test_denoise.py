"""Texts beside a plain loop written for this test, for every way of keeping tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from plena_cosim.evaluate.diffusion.denoise import denoise
from plena_cosim.evaluate.diffusion.denoising import Denoising, KeyCache, Remasking
from plena_cosim.evaluate.diffusion.key_cache import SharedKeys
from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.recipe.load import read_quant_config

from .conftest import MASK, masked_model

LINEAR = {
    "by": "type",
    "linear": {
        "name": "mxint",
        "weight_block_size": 16,
        "weight_width": 4,
        "data_in_block_size": 16,
        "data_in_width": 8,
    },
}


def plain(model: Any, prompt: torch.Tensor, how: Denoising) -> tuple[list[int], int]:
    """The same by lists, a place at a time; without noise."""
    ids = [*prompt.tolist(), *[MASK] * how.gen_length]
    passes = 0
    for block in range(how.gen_length // how.block_length):
        start = len(prompt) + block * how.block_length
        places = range(start, start + how.block_length)
        steps = how.steps * how.block_length // how.gen_length
        for step in range(10**6):
            masked = [place for place in places if ids[place] == MASK]
            if not masked:
                break
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids])).logits[0].double()
            passes += 1
            seen = []
            for place in masked:
                row = logits[place].tolist()
                token = max(range(len(row)), key=lambda k: (k != MASK, row[k]))
                sure = float(torch.softmax(logits[place], -1)[token])
                seen.append((-sure, place, token))
            seen.sort()
            if how.threshold is not None:
                count = max(1, sum(-sure >= how.threshold for sure, _, _ in seen))
            elif how.factor is not None:
                count = 1
                while count < len(seen) and (count + 2) * (1 + seen[count][0]) < how.factor:
                    count += 1
            else:
                count = how.block_length // steps + (step < how.block_length % steps)
            for _, place, token in seen[:count]:
                ids[place] = token
    return ids, passes


HOW = {
    "one a pass": Denoising(gen_length=12, block_length=6, steps=12),
    "several a pass": Denoising(gen_length=12, block_length=6, steps=4),
    "one block": Denoising(gen_length=10, block_length=10, steps=3),
    "threshold": Denoising(gen_length=12, block_length=6, threshold=0.4),
    "factor": Denoising(gen_length=12, block_length=6, factor=1.5),
}


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
@pytest.mark.parametrize("how", HOW.values(), ids=list(HOW))
def test_a_plain_loop_writes_the_same(how: Denoising, kind: str, prompt: torch.Tensor) -> None:
    model = masked_model(kind)
    want, passes = plain(model, prompt, how)
    found = denoise(model, prompt, how, mask_id=MASK)
    assert found.ids.tolist() == want
    assert found.passes == passes
    assert MASK not in found.ids.tolist()
    assert found.ids[: len(prompt)].tolist() == prompt.tolist()


@pytest.mark.parametrize("numerics", ["fake", "exact"])
def test_a_quantised_model_writes_by_its_own_logits(numerics: str, prompt: torch.Tensor) -> None:
    model = masked_model("bert")
    before = denoise(model, prompt, HOW["one a pass"], mask_id=MASK)
    quantize_module_transform_pass(model, read_quant_config(LINEAR), numerics=numerics)
    want, _ = plain(model, prompt, HOW["one a pass"])
    assert denoise(model, prompt, HOW["one a pass"], mask_id=MASK).ids.tolist() == want
    assert want != before.ids.tolist()
    for cache in (KeyCache.PREFIX, KeyCache.DUAL):
        how = Denoising(gen_length=12, block_length=6, steps=12, cache=cache)
        assert MASK not in denoise(model, prompt, how, mask_id=MASK).ids.tolist()


def test_temperature_and_random_remasking_follow_the_seed(prompt: torch.Tensor) -> None:
    model = masked_model("bert")
    texts = {}
    for name, given in {
        "noise": {"temperature": 2.0},
        "random": {"remasking": Remasking.RANDOM},
    }.items():
        for seed in (0, 0, 1, 2):
            how = Denoising(gen_length=12, block_length=6, steps=12, seed=seed, **given)
            ids = denoise(model, prompt, how, mask_id=MASK).ids.tolist()
            assert texts.setdefault((name, seed), ids) == ids
    assert len({tuple(ids) for ids in texts.values()}) > 3


def with_shared_keys(model: Any, prompt: torch.Tensor, how: Denoising) -> list[int]:
    """One layer's keys and values by hand would be another model: here hidden states are kept.

    In a model of one layer, keys of places outside the block depend on their tokens alone; so the
    shared ones are those of the text as it was at the block's first pass. Each later pass is over a
    text that has that first text everywhere but in the block.
    """
    ids = torch.tensor([*prompt.tolist(), *[MASK] * how.gen_length])
    for block in range(how.blocks):
        start = len(prompt) + block * how.block_length
        for step in range(how.steps // how.blocks):
            with torch.no_grad():
                logits = model(input_ids=ids[None]).logits[0].double()
            places = [p for p in range(start, start + how.block_length) if ids[p] == MASK]
            logits[:, MASK] = -torch.inf
            sure = torch.softmax(logits, -1).max(-1).values
            places.sort(key=lambda place: (-float(sure[place]), place))
            for place in places[: how.kept(step)]:
                ids[place] = int(logits[place].argmax())
    return ids.tolist()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("cache", [KeyCache.PREFIX, KeyCache.DUAL])
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_shared_keys_of_one_layer_are_those_of_the_whole_text(
    kind: str, cache: KeyCache, attention: str, prompt: torch.Tensor
) -> None:
    """A second layer would see the difference; with one, sharing changes no token."""
    model = masked_model(kind, attention)
    encoder = getattr(model, kind).encoder
    encoder.layer = encoder.layer[:1]
    how = Denoising(gen_length=12, block_length=6, steps=12, cache=cache)
    found = denoise(model, prompt, how, mask_id=MASK)
    assert found.ids.tolist() == with_shared_keys(model, prompt, how)
    assert model.config._attn_implementation == attention


@pytest.mark.parametrize("cache", [KeyCache.PREFIX, KeyCache.DUAL])
def test_shared_keys_are_those_of_the_first_pass(cache: KeyCache, prompt: torch.Tensor) -> None:
    """A second layer sees the difference: keys outside the block are of an earlier text."""
    model = masked_model("bert")
    ids = torch.cat([prompt, torch.full((12,), MASK)])[None]
    start, stop = len(prompt), len(prompt) + 6
    shared = SharedKeys(model, cache)
    with torch.no_grad(), shared.between():
        first = shared.whole(ids)[start:stop]
        assert torch.allclose(shared.part(ids, start, stop), first, atol=1e-4)
        ids[0, start] = 8
        later = shared.part(ids, start, stop)
        own = shared.whole(ids)[start:stop]
    assert (later - own).abs().max() > 1e-3
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits[0, start:stop], own)


def test_models_whose_keys_cannot_be_shared_are_refused(prompt: torch.Tensor) -> None:
    how = Denoising(gen_length=12, block_length=6, steps=12, cache=KeyCache.DUAL)
    with pytest.raises(FormatError, match="does not attend to the whole text"):
        denoise(masked_model("modernbert"), prompt.repeat(4), how, mask_id=MASK)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"gen_length": 10, "block_length": 4}, "gen_length 10 is no multiple of block_length 4"),
        ({"gen_length": 8, "block_length": 4, "steps": 3}, "steps 3 is no multiple of the 2"),
        ({"threshold": 0.5, "factor": 1.0}, "give one"),
        ({"threshold": 0.5, "remasking": Remasking.RANDOM}, "not with random remasking"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"temperature": float("nan")}, "temperature must not be negative"),
    ],
)
def test_numbers_that_do_not_fit(given: dict[str, Any], said: str) -> None:
    with pytest.raises(FormatError, match=said):
        Denoising(**given)
