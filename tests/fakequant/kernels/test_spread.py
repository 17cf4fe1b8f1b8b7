"""Every row is computed once, by as many threads as torch has, in every kind of process."""

from __future__ import annotations

import multiprocessing
import sys
import threading

import numpy as np
import pytest
import torch

from plena_cosim.fakequant.kernels import spread
from plena_cosim.golden.float_environment import keeps_subnormals


@pytest.fixture(params=[1, 2, 5], autouse=True)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def count(first, last, seen, by=1):
    seen[first:last] += by


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 1000])
def test_every_row_is_computed_once(rows) -> None:
    seen = np.zeros(rows, int)
    spread(count, rows, seen)
    assert (seen == 1).all()


def test_small_work_stays_here(threads) -> None:
    found = []
    spread(lambda *part: found.append((threading.current_thread(), part)), 100, least=60)
    assert found == [(threading.current_thread(), (0, 100))]
    found.clear()
    spread(lambda *part: found.append((threading.current_thread(), part)), 100, least=20)
    assert sorted(part for _, part in found) == [
        (100 * i // threads, 100 * (i + 1) // threads) for i in range(threads)
    ]


def test_a_failure_comes_back_when_all_have_ended(threads) -> None:
    seen = np.zeros(100, int)

    def fails(first, last):
        count(first, last, seen)
        if last == 100:
            raise ValueError("row 99")

    with pytest.raises(ValueError, match="row 99"):
        spread(fails, 100)
    assert (seen == 1).all()


def test_calls_of_many_threads_do_not_meet() -> None:
    arrays = [np.zeros(10_000, int) for _ in range(8)]
    calls = [
        threading.Thread(target=lambda a=a: [spread(count, len(a), a) for _ in range(50)])
        for a in arrays
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert all((a == 50).all() for a in arrays)


def child(out) -> None:
    seen = np.zeros(1000, int)
    spread(count, 1000, seen)
    out.put(int(seen.sum()))


def test_a_forked_child_has_threads_of_its_own() -> None:
    spread(count, 1000, np.zeros(1000, int))
    context = multiprocessing.get_context("fork")
    out = context.Queue()
    process = context.Process(target=child, args=(out,))
    process.start()
    assert out.get(timeout=60) == 1000
    process.join(60)
    assert process.exitcode == 0


def test_other_threads_keep_subnormals_whatever_this_one_does(threads) -> None:
    spread_module = sys.modules["plena_cosim.fakequant.kernels.spread"]
    spread_module._POOL.forget()  # new threads begin as this one is
    kept = np.zeros(8, bool)

    def look(first, last):
        kept[first:last] = keeps_subnormals()

    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormals")
    try:
        spread(look, len(kept))
    finally:
        torch.set_flush_denormal(False)
    assert kept[len(kept) // threads :].all()
    assert not kept[0]
