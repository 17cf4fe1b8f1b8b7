"""The cocotb tests of a streaming block; the beats and the expected results come from the plan."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, Timer

from plena_cosim.sim.bench.plan import PLAN_VARIABLE, Plan
from plena_cosim.sim.bench.stalls import Pauses, bursts, never
from plena_cosim.sim.bench.stream import CycleCounter, Sink, Source

HALF_PERIOD_NS = 1
MARGIN_CYCLES = 16
"""How long to watch for a result too many after the last one."""


def _plan() -> Plan:
    return Plan.read(Path(os.environ[PLAN_VARIABLE]))


async def _reset(dut: Any) -> None:
    """Reset in mid-cycle, as an asynchronous reset may come, and see the output go quiet."""
    await Timer(HALF_PERIOD_NS / 2, unit="ns")
    dut.rst_ni.value = 0
    await Timer(HALF_PERIOD_NS / 4, unit="ns")
    await ReadOnly()
    assert dut.out_valid_o.value == 0, "out_valid is not low at once in asynchronous reset"
    for _ in range(3):
        await FallingEdge(dut.clk_i)
        dut.in_valid_i.value = 1
        await ReadOnly()
        assert dut.out_valid_o.value == 0, "out_valid during reset"
    await FallingEdge(dut.clk_i)
    dut.in_valid_i.value = 0
    dut.rst_ni.value = 1


async def _start(dut: Any, plan: Plan) -> None:
    for port, bits in {"in_valid_i": 0, "out_ready_i": 0, "rst_ni": 1, **plan.inputs[0]}.items():
        getattr(dut, port).value = bits
    Clock(dut.clk_i, 2 * HALF_PERIOD_NS, unit="ns").start()
    await FallingEdge(dut.clk_i)
    await _reset(dut)


async def _stream(dut: Any, plan: Plan, gaps: Pauses, stalls: Pauses) -> tuple[Source, Sink]:
    """Send every beat; check every result, their number, and that none comes afterwards."""
    rng = random.Random(plan.seed)
    counter = CycleCounter()
    source = Source(dut, plan.inputs, gaps(rng))
    sink = Sink(dut, list(plan.results[0]), stalls(rng))
    tasks = [cocotb.start_soon(part.run(counter)) for part in (source, sink)]
    tasks.append(cocotb.start_soon(counter.run(dut.clk_i)))
    sent, due = len(plan.inputs), len(plan.results)
    interval = _interval(dut) + _wait(dut)
    patience = 64 * sent * interval + 1000
    while (len(sink.results) < due or not tasks[0].done()) and counter.cycle < patience:
        await FallingEdge(dut.clk_i)
    for _ in range(MARGIN_CYCLES + interval):
        await FallingEdge(dut.clk_i)
    for task in tasks:
        task.cancel()
    taken, received = len(source.taken_cycles), len(sink.results)
    assert taken == sent, f"the block took only {taken} of {sent} beats in {counter.cycle} cycles"
    assert received == due, f"received {received} results for {sent} beats, {due} were due"
    for beat, got, want in zip(plan.result_beats, sink.results, plan.results, strict=True):
        assert got == want, f"{plan.label} beat {beat}: {_hex(plan.inputs[beat])} -> " + (
            f"rtl {_hex(got)}, golden {_hex(want)}"
        )
    dut._log.info("%s: %d beats, %d results, all equal to golden", plan.label, sent, received)
    return source, sink


def _interval(dut: Any) -> int:
    """Return the cycles between beats: the localparam Interval, 1 where there is none."""
    return int(dut.Interval.value) if hasattr(dut, "Interval") else 1


def _wait(dut: Any) -> int:
    """Return how long a beat may wait for those before it: the localparam Wait, else 0."""
    return int(dut.Wait.value) if hasattr(dut, "Wait") else 0


def _hex(bits: dict[str, int]) -> str:
    return " ".join(f"{port} {value:#x}" for port, value in bits.items())


@cocotb.test()
async def unstalled(dut: Any) -> None:
    """A beat every `Interval` cycles, each result `Latency` cycles after its beat was taken.

    Where the block has a `Wait`, up to so many cycles later.
    """
    plan = _plan()
    await _start(dut, plan)
    source, sink = await _stream(dut, plan, never, never)
    latency, wait = int(dut.Latency.value), _wait(dut)
    for beat, given in zip(plan.result_beats, sink.result_cycles, strict=True):
        taken = source.taken_cycles[beat]
        assert 0 <= given - taken - latency <= wait, (
            f"beat {beat} took {given - taken} cycles; localparam Latency is {latency}, Wait {wait}"
        )
    span = source.taken_cycles[-1] - source.taken_cycles[0]
    interval = _interval(dut)
    least = (len(plan.inputs) - 1) * interval
    assert least <= span <= least + (len(plan.inputs) - 1) * wait, (
        f"{len(plan.inputs)} beats took {span + 1} cycles to go in, Interval is {interval}, "
        f"Wait {wait}"
    )


@cocotb.test()
async def input_gaps(dut: Any) -> None:
    """Beats come now and then."""
    plan = _plan()
    await _start(dut, plan)
    await _stream(dut, plan, bursts, never)


@cocotb.test()
async def output_stalls(dut: Any) -> None:
    """Results are taken now and then."""
    plan = _plan()
    await _start(dut, plan)
    await _stream(dut, plan, never, bursts)


@cocotb.test()
async def gaps_and_stalls(dut: Any) -> None:
    """Both at once."""
    plan = _plan()
    await _start(dut, plan)
    await _stream(dut, plan, bursts, bursts)


@cocotb.test()
async def reset_in_midstream(dut: Any) -> None:
    """A reset forgets every beat under way and all state; what follows is as after power-up."""
    plan = _plan()
    await _start(dut, plan)
    rng = random.Random(plan.seed)
    for _ in range(3):
        counter = CycleCounter()
        source = Source(dut, plan.inputs, bursts(rng))
        sink = Sink(dut, list(plan.results[0]), bursts(rng))
        tasks = [cocotb.start_soon(part.run(counter)) for part in (source, sink)]
        tasks.append(cocotb.start_soon(counter.run(dut.clk_i)))
        stop = rng.randint(2, max(2, len(plan.inputs) // 2))
        patience = 64 * stop * (_interval(dut) + _wait(dut)) + 1000
        while len(source.taken_cycles) < stop and counter.cycle < patience:
            await FallingEdge(dut.clk_i)
        for task in tasks:
            task.cancel()
        await _reset(dut)
    await _stream(dut, plan, bursts, bursts)
