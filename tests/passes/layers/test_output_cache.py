"""What a layer's modules have put out is used again, as long as it is what they would put out."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plena_cosim.passes.layers.output_cache import OutputCache
from plena_cosim.passes.layers.run import Stop, run


class Counted(nn.Linear):
    """A linear layer that knows how often it has run."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return super().forward(x)


class Mixer(nn.Module):
    """Two projections; returns as attention does."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.o = Counted(4, 6), Counted(6, 4)

    def forward(self, x: Tensor, *, scale: float) -> tuple[Tensor, None]:
        return self.o(self.q(x) * scale), None


class Layer(nn.Module):
    """A mixer and two projections, of which the second may run twice, or be written into."""

    def __init__(self, *, twice: bool = False, in_place: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mixer, self.up, self.down = Mixer(), Counted(4, 6), Counted(6, 4)
        self.twice, self.in_place = twice, in_place

    def forward(self, x: Tensor, *, scale: float) -> Tensor:
        x = x + self.mixer(x, scale=scale)[0]
        middle = self.up(x)
        if self.in_place:
            middle.mul_(2)
        y = self.down(middle)
        return self.down(middle + 1) + y if self.twice else y

    def runs(self) -> list[int]:
        return [part.runs for part in (self.mixer.q, self.mixer.o, self.up, self.down)]


BATCHES = [torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
GIVEN: dict[str, Any] = {"scale": 0.5}


def change(module: nn.Linear) -> None:
    with torch.no_grad():
        module.weight.add_(1)


def expect_what_the_layer_says(cache: OutputCache) -> None:
    """Run all batches twice, and compare with a layer that caches nothing."""
    for _ in range(2):
        found = cache.run_all(BATCHES, GIVEN)
        for one, batch in zip(found, BATCHES, strict=True):
            assert torch.equal(one, run(cache.layer, batch, GIVEN))


def test_each_module_runs_once_a_batch_while_weights_are_found() -> None:
    layer = Layer()
    cache, parts = OutputCache(layer), ["mixer.q", "mixer.o", "up", "down"]
    for number, name in enumerate(parts):
        cache.waiting = parts[number:]
        module = layer.get_submodule(name)

        def stop(*_: Any) -> None:
            raise Stop

        hook = module.register_forward_pre_hook(stop)
        for batch, hidden in enumerate(BATCHES):
            with suppress(Stop):
                cache.run(batch, hidden, GIVEN)
        hook.remove()
        change(module)
    cache.waiting = ()
    found = cache.run_all(BATCHES, GIVEN)
    # The second run of the mixer's first part is spared once the mixer is through.
    assert layer.runs() == [2, 2, 2, 2]
    for one, batch in zip(found, BATCHES, strict=True):
        assert torch.equal(one, run(layer, batch, GIVEN))


def test_what_waits_and_what_comes_after_it_is_run_again() -> None:
    layer = Layer()
    cache = OutputCache(layer)
    cache.waiting = ["up"]
    cache.run_all(BATCHES, GIVEN)
    assert layer.runs() == [2, 2, 2, 2]
    change(layer.up)
    cache.waiting = ()
    expect_what_the_layer_says(cache)
    assert [runs - 4 for runs in layer.runs()] == [2, 2, 4, 4]  # four are those of the comparison


def test_a_weight_inside_of_a_module_waits() -> None:
    layer = Layer()
    cache = OutputCache(layer)
    cache.waiting = ["mixer.o"]
    cache.run_all(BATCHES, GIVEN)
    change(layer.mixer.o)
    cache.waiting = ()
    expect_what_the_layer_says(cache)


@pytest.mark.parametrize("changes", [{"twice": True}, {"in_place": True}])
def test_what_cannot_be_recalled_is_run_again(changes: dict[str, bool]) -> None:
    layer = Layer(**changes)
    expect_what_the_layer_says(OutputCache(layer))
    assert layer.runs()[:2] == [2 + 4, 2 + 4]
    assert layer.runs()[3 if "twice" in changes else 2] > 2 + 4


def test_what_is_inside_of_a_module_is_forgotten_when_it_is_through() -> None:
    layer = Layer()
    cache = OutputCache(layer)
    cache.run(0, BATCHES[0], GIVEN)
    assert {name for _, name in cache._kept} == {"mixer", "up", "down"}
    assert sum(output.size for output in cache._kept.values()) == 3 * (4 + 6 + 4) * 4


@pytest.mark.parametrize("budget", [0, 100, 150])
def test_no_more_is_kept_than_may_be(budget: int) -> None:
    cache = OutputCache(Layer(), budget=budget)
    expect_what_the_layer_says(cache)
    kept = sum(output.size for output in cache._kept.values())
    assert kept <= budget
    assert kept + cache._budget == budget


def test_a_module_is_told_its_input() -> None:
    layer = Layer()
    cache = OutputCache(layer)
    for _ in range(2):
        assert torch.equal(
            cache.input_of("mixer.o", 0, BATCHES[0], GIVEN), layer.mixer.q(BATCHES[0]) * 0.5
        )
    assert layer.runs() == [1 + 2, 0, 0, 0]


def test_tensors_of_inference_mode_are_not_kept() -> None:
    cache = OutputCache(Layer())
    with torch.inference_mode():
        cache.run(0, BATCHES[0], GIVEN)
    assert not cache._kept


def test_forwards_are_put_back() -> None:
    layer = Layer()
    own = layer.up.forward
    layer.up.forward = own  # of the module itself, as installed attention is
    with pytest.raises(RuntimeError):
        OutputCache(layer).run(0, BATCHES[0][..., :3], GIVEN)
    assert vars(layer.up)["forward"] is own
    assert "forward" not in vars(layer.down)
