"""The device that is measured on: said before anything is loaded if it is not there."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from plena_cosim.evaluate import run_eval_ppl
from plena_cosim.evaluate.phase.run import run_eval_phase
from plena_cosim.evaluate.place import place_of
from plena_cosim.golden import FormatError
from plena_cosim.ground.launched import Launched

ALONE, SECOND = Launched(), Launched(rank=1, count=2, local_rank=1)
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def test_the_cpu_is_always_there() -> None:
    assert place_of(None, ALONE) is None
    assert place_of("cpu", ALONE) == place_of("cpu", SECOND) == "cpu"


@without_gpu
@pytest.mark.parametrize("command", [run_eval_ppl, run_eval_phase])
def test_a_device_that_is_not_there(command: Any) -> None:
    with pytest.raises(FormatError, match=r"'cuda' cannot be used .*; leave --device away"):
        command(model="no such model", text="no such text", device="cuda")


@pytest.mark.parametrize("name", ["meta", "gpu", "cuda:77"])
def test_devices_that_cannot_be(name: str) -> None:
    with pytest.raises(FormatError, match=f"'{name}' cannot be used"):
        place_of(name, ALONE)


def test_processes_do_not_share_a_gpu() -> None:
    with pytest.raises(FormatError, match="'cuda:1' is one for 2 processes; give 'cuda'"):
        place_of("cuda:1", SECOND)


def test_each_process_takes_the_gpu_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written down is equal for all: each calls its own one "cuda"."""
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    assert place_of(None, ALONE) is None
    assert place_of(None, SECOND) == "cuda"
    assert taken == [1]
    with pytest.raises(FormatError, match="2 GPUs are here, and a process for one more"):
        place_of(None, Launched(rank=2, count=3, local_rank=2))
