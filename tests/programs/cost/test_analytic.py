"""The published formulas, against the figures published with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plena_cosim.golden import FormatError
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.golden.timing import Timing
from plena_cosim.programs.cost import analytic, model_shape


@pytest.fixture
def machine() -> Machine:
    return Machine.load("plena-2048.toml")


@pytest.mark.parametrize(
    ("model", "batch", "read", "written", "first_ms", "tokens_s"),
    [
        ("llama-3.1-8b", 4, 2048, 1024, 377.260931, 444.75577348588456),
        ("llama-3.2-1b", 4, 2048, 1024, 111.190723, 1741.7582178329915),
        ("llama-3.1-8b", 1, 128, 8, 11.809283, 153.3576742633924),
    ],
)
def test_published_figures(machine, model, batch, read, written, first_ms, tokens_s) -> None:
    found = analytic(model_shape(model), machine, batch=batch, read=read, written=written)
    assert found.first_token_ms == first_ms
    assert found.tokens_per_s == tokens_s


def test_what_is_more_takes_longer(machine) -> None:
    shape = model_shape("llama-3.1-8b")

    def cost(**given):
        sizes = {"batch": 4, "read": 512, "written": 8, **given}
        return analytic(shape, machine, **sizes)

    base = cost()
    assert cost(read=4096).first_token_ms > base.first_token_ms
    assert cost(batch=8).first_token_ms > base.first_token_ms
    assert cost(clock_ghz=2.0).first_token_ms == base.first_token_ms / 2
    assert cost(clock_ghz=2.0).tokens_per_s == base.tokens_per_s * 2
    timed = replace(machine, timing=Timing(clock_ghz=2.0))
    sizes = {"batch": 4, "read": 512, "written": 8}
    assert analytic(shape, timed, **sizes).first_token_ms == base.first_token_ms / 2
    assert cost(read=4096).tokens_per_s < base.tokens_per_s
    assert set(base.decode) == set(base.first_token) == set(base.prefill) - {"embedding"}


def test_what_has_no_cost(machine) -> None:
    with pytest.raises(FormatError, match="a model 576 wide has no whole vector of 2048 lanes"):
        analytic(model_shape("smollm2-135m"), machine, batch=1, read=1, written=1)
    with pytest.raises(FormatError, match="batch = 0; need a positive number"):
        analytic(model_shape("llama-3.1-8b"), machine, batch=0, read=1, written=1)
    small = Machine.load("plena.toml")
    assert analytic(model_shape("smollm2-135m"), small, batch=1, read=1, written=1).tokens_per_s > 0
