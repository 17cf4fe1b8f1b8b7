"""evaluate_perplexity against the definition computed by hand."""

from __future__ import annotations

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from plena_cosim import golden
from plena_cosim.evaluate import evaluate_perplexity, load_model


class Bigram:
    """A model whose logits depend on the last token only, from a table."""

    def __init__(self, vocabulary: int) -> None:
        self.table = torch.randn(vocabulary, vocabulary) * 3
        self.lengths: list[int] = []

    def __call__(self, ids: torch.Tensor) -> SimpleNamespace:
        self.lengths.append(ids.shape[1])
        return SimpleNamespace(logits=self.table[ids])


def by_hand(table: torch.Tensor, tokens: list[int], seqlen: int) -> tuple[float, int]:
    """Sum of -log softmax over each window's tokens but the first, in float64 NumPy."""
    logits = table.double().numpy()
    total, scored = 0.0, 0
    for start in range(0, len(tokens), seqlen):
        window = tokens[start : start + seqlen]
        for before, after in pairwise(window):
            row = logits[before]
            total += float(np.log(np.exp(row - row.max()).sum()) + row.max() - row[after])
            scored += 1
    return total, scored


@pytest.mark.parametrize(("count", "seqlen"), [(64, 16), (61, 16), (65, 16), (10, 512), (2, 2)])
def test_windows_are_scored_one_by_one(count: int, seqlen: int) -> None:
    model = Bigram(29)
    tokens = torch.randint(29, (count,))
    result = evaluate_perplexity(model, tokens, seqlen=seqlen)
    total, scored = by_hand(model.table, tokens.tolist(), seqlen)
    assert result.scored_tokens == scored
    assert result.negative_log_likelihood == pytest.approx(total, rel=1e-5)
    losses = [
        by_hand(model.table, tokens[at : at + seqlen].tolist(), seqlen)[0]
        for at in range(0, count - 1, seqlen)
    ]
    assert result.window_losses == pytest.approx(losses, rel=1e-5)
    assert result.token_perplexity == pytest.approx(math.exp(total / scored), rel=1e-5)
    assert result.word_perplexity is None
    assert max(model.lengths) <= seqlen
    assert min(model.lengths) >= 2
    assert result.windows == len(model.lengths)
    assert result.tokens == sum(model.lengths)


def test_the_limit_cuts_the_stream_first() -> None:
    model, tokens = Bigram(29), torch.randint(29, (100,))
    limited = evaluate_perplexity(model, tokens, seqlen=16, limit=40)
    assert limited.negative_log_likelihood == pytest.approx(
        evaluate_perplexity(model, tokens[:40], seqlen=16).negative_log_likelihood
    )
    assert limited.tokens == 40


def test_a_model_without_a_clue_has_the_vocabulary_as_perplexity() -> None:
    model = Bigram(50)
    model.table.zero_()
    result = evaluate_perplexity(model, torch.randint(50, (80,)), seqlen=20)
    assert result.token_perplexity == pytest.approx(50, rel=1e-6)


def test_word_perplexity_divides_by_the_words_of_the_scored_tokens() -> None:
    model, tokens = Bigram(29), torch.randint(29, (48,))
    halves = evaluate_perplexity(
        model, tokens, seqlen=17, decode=lambda ids: " ".join("x" for _ in ids[::2])
    )
    assert halves.words == 8 + 8 + 7  # windows of 17, 17 and 14: 16, 16 and 13 scored
    assert halves.word_perplexity == pytest.approx(
        math.exp(halves.negative_log_likelihood / halves.words)
    )


def test_an_infinite_loss_is_infinite_perplexity() -> None:
    model = Bigram(4)
    model.table[:, 1] = -torch.inf
    result = evaluate_perplexity(model, torch.tensor([0, 1, 2, 3]), seqlen=4)
    assert math.isinf(result.token_perplexity)


def test_it_agrees_with_the_models_own_loss(tiny_model) -> None:
    model, _ = load_model(str(tiny_model))
    tokens = torch.randint(61, (30,))
    with torch.no_grad():
        own = [
            float(model(window[None], labels=window[None]).loss) * 9 for window in tokens.split(10)
        ]
    result = evaluate_perplexity(model, tokens, seqlen=10)
    assert result.negative_log_likelihood == pytest.approx(sum(own), rel=1e-5)


def test_progress_counts_every_window() -> None:
    seen: list[tuple[str, int, int]] = []
    evaluate_perplexity(
        Bigram(9), torch.randint(9, (40,)), seqlen=16, progress=lambda *step: seen.append(step)
    )
    assert seen == [("perplexity", done, 3) for done in (1, 2, 3)]


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (10, {"seqlen": 1}, "seqlen must be at least 2, got 1"),
        (10, {"limit": 0}, "limit must be at least 2, got 0"),
        (1, {}, "needs at least 2 tokens, got 1"),
        (0, {}, "needs at least 2 tokens, got 0"),
    ],
)
def test_too_little_is_refused(count, options, message) -> None:
    with pytest.raises(golden.FormatError, match=message):
        evaluate_perplexity(Bigram(9), torch.zeros(count, dtype=torch.int64), **options)


def sliding(table: torch.Tensor, tokens: list[int], seqlen: int, stride: int) -> list[float]:
    """Losses of a bigram model, window by window, as the stride is usually defined."""
    logits = table.double().numpy()
    losses, done = [], 1
    for begin in range(0, len(tokens), stride):
        end = min(begin + seqlen, len(tokens))
        total = 0.0
        for place in range(max(done, begin + 1), end):
            row = logits[tokens[place - 1]]
            total += float(np.log(np.exp(row - row.max()).sum()) + row.max() - row[tokens[place]])
        losses.append(total)
        done = end
        if end == len(tokens):
            return losses
    raise AssertionError


@pytest.mark.parametrize(
    ("count", "seqlen", "stride"),
    [(64, 16, 4), (61, 16, 15), (65, 16, 5), (10, 512, 7), (2, 2, 1), (33, 16, 8), (40, 3, 1)],
)
def test_with_a_stride_every_token_but_the_first_is_scored_once(
    count: int, seqlen: int, stride: int
) -> None:
    model, tokens = Bigram(29), torch.randint(29, (count,))
    result = evaluate_perplexity(model, tokens, seqlen=seqlen, stride=stride)
    want = sliding(model.table, tokens.tolist(), seqlen, stride)
    assert result.window_losses == pytest.approx(want, rel=1e-5)
    assert result.scored_tokens == count - 1
    assert result.tokens == count
    assert max(model.lengths) <= seqlen


def test_a_stride_of_a_whole_window_overlaps_nothing() -> None:
    model, tokens = Bigram(29), torch.randint(29, (61,))
    plain = evaluate_perplexity(model, tokens, seqlen=16)
    assert evaluate_perplexity(model, tokens, seqlen=16, stride=16).window_losses == (
        plain.window_losses
    )


@pytest.mark.parametrize("stride", [0, -1, 17])
def test_strides_that_leave_tokens_out(stride: int) -> None:
    with pytest.raises(golden.FormatError, match="stride must be 1 … 16"):
        evaluate_perplexity(Bigram(29), torch.arange(20), seqlen=16, stride=stride)


@pytest.mark.parametrize("stride", [None, 4])
def test_bytes_are_those_of_the_scored_tokens(stride: int | None) -> None:
    model, tokens = Bigram(29), torch.randint(29, (24,))
    sizes = [3 + 2 * place for place in range(24)]
    result = evaluate_perplexity(model, tokens, seqlen=8, stride=stride, token_bytes=sizes)
    left_out = {0} if stride else {0, 8, 16}
    size = sum(each for place, each in enumerate(sizes) if place not in left_out)
    assert result.bytes == size
    bits = result.negative_log_likelihood / size / math.log(2)
    assert result.bits_per_byte == pytest.approx(bits)
    assert result.byte_perplexity == pytest.approx(2**bits)
