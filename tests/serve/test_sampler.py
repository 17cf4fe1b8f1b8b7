"""Sampler against exact sums, and its draws against those of others."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from plena_cosim.serve.errors import RequestError
from plena_cosim.serve.sampler import Sampler, Sampling


def logits_of(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_without_temperature_it_is_the_first_of_the_likeliest() -> None:
    sampler = Sampler(Sampling(temperature=0))
    assert [sampler.draw(logits_of(1, 3, 3, -math.inf)) for _ in range(3)] == [1, 1, 1]


def exact_kept(logits: Tensor, temperature: float, top_p: float) -> set[int]:
    """The smallest set of likeliest tokens whose probability is top_p or more."""
    shares = {
        place: Fraction(math.exp(Fraction(float(each)) / Fraction(temperature)))
        for place, each in enumerate(logits)
    }
    whole, kept, summed = sum(shares.values()), set(), Fraction(0)
    for place in sorted(shares, key=lambda place: (-shares[place], place)):
        kept.add(place)
        summed += shares[place] / whole
        if summed >= Fraction(top_p):
            break
    return kept


@pytest.mark.parametrize("top_p", [0.0, 0.3, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_come_from_the_likeliest_ones(temperature: float, top_p: float) -> None:
    logits = logits_of(0.1, 2.0, 1.0, 1.0, -0.5, 0.7)
    sampler = Sampler(Sampling(temperature=temperature, top_p=top_p, seed=3))
    drawn = {sampler.draw(logits) for _ in range(600)}
    assert drawn == exact_kept(logits, temperature, top_p)


def test_tokens_come_as_often_as_their_probability_says() -> None:
    shares = [0.5, 0.3, 0.15, 0.05]
    sampler = Sampler(Sampling(seed=1))
    count = 4000
    drawn = Counter(sampler.draw(logits_of(*map(math.log, shares))) for _ in range(count))
    for place, share in enumerate(shares):
        deviation = math.sqrt(count * share * (1 - share))
        assert abs(drawn[place] - count * share) < 4 * deviation


def test_draws_follow_from_seed_and_choice_alone() -> None:
    logits = torch.zeros(1000, dtype=torch.float64)

    def draws(seed: int, choice: int) -> list[int]:
        sampler = Sampler(Sampling(seed=seed), choice)
        return [sampler.draw(logits) for _ in range(8)]

    assert draws(1, 0) == draws(1, 0)
    assert len({tuple(draws(*each)) for each in ((1, 0), (1, 1), (2, 0), (2**63, 0))}) == 4


def test_a_tiny_temperature_is_no_overflow() -> None:
    assert Sampler(Sampling(temperature=1e-300)).draw(logits_of(-5, 700, 3)) == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_an_error(bad: float) -> None:
    with pytest.raises(RequestError, match="not finite") as error:
        Sampler(Sampling()).draw(logits_of(0, bad))
    assert error.value.status == 500
