"""Windows are pieces of the text, never overlap, and follow the seed."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plena_cosim.sources import TextSourceError
from plena_cosim.sources.draw_windows import draw_windows


def draw(n: int, nsamples: int, seqlen: int, seed: int) -> torch.Tensor:
    """Windows of a text whose every token is its own place."""
    return draw_windows(torch.arange(n), nsamples=nsamples, seqlen=seqlen, seed=seed, name="text")


@given(
    nsamples=st.integers(1, 12),
    seqlen=st.integers(1, 12),
    spare=st.integers(0, 200),
    seed=st.integers(0, 2**40),
)
def test_every_token_is_in_one_window_at_most(
    nsamples: int, seqlen: int, spare: int, seed: int
) -> None:
    windows = draw(nsamples * seqlen + spare, nsamples, seqlen, seed)
    assert windows.shape == (nsamples, seqlen)
    assert windows.dtype == torch.int64
    assert all(row == list(range(row[0], row[0] + seqlen)) for row in windows.tolist())
    assert len(set(windows.flatten().tolist())) == nsamples * seqlen


def test_the_seed_decides_for_ever() -> None:
    # By hand: random() gives .844 .758 .421 .259 for seed 0, .134 .847 .764 .255 for seed 1; times
    # 969 and in order these are the tokens skipped. Four further numbers decide the order.
    assert draw(1000, 4, 8, 0)[:, 0].tolist() == [842, 415, 250, 750]
    assert draw(1000, 4, 8, 1)[:, 0].tolist() == [255, 130, 756, 845]
    assert torch.equal(draw(1000, 4, 8, 7), draw(1000, 4, 8, 7))


def test_a_text_that_just_fits_is_used_whole_and_in_another_order() -> None:
    windows = draw(64, 8, 8, 3)
    assert sorted(windows[:, 0].tolist()) == list(range(0, 64, 8))
    assert windows[:, 0].tolist() != list(range(0, 64, 8))


def test_windows_are_spread_over_the_text() -> None:
    starts = torch.cat([draw(10_000, 16, 32, seed)[:, 0] for seed in range(50)])
    counts = torch.histc(starts.double(), bins=10, min=0, max=10_000)
    assert counts.sum() == 800
    # 80 in each tenth on average; 4.5 standard deviations of a binomial count are 38.
    assert ((counts - 80).abs() < 38).all()
    gaps = [b - a for a, b in pairwise(sorted(draw(10_000, 16, 32, 0)[:, 0].tolist()))]
    assert len(set(gaps)) > 8


def test_a_short_text_says_how_many_tokens_there_are() -> None:
    with pytest.raises(TextSourceError) as error:
        draw(1999, 4, 500, 0)
    assert str(error.value) == (
        "text has 1,999 tokens, but 4 samples of 500 take 2,000; lower nsamples or seqlen, or give "
        "more text"
    )


def test_an_empty_text_is_named() -> None:
    with pytest.raises(TextSourceError, match="text has no text to calibrate on; give another"):
        draw(0, 1, 1, 0)
