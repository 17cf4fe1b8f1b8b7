"""Both ends of a streaming block: the source offers beats, the sink takes results.

Each drives on the falling edge and looks at the handshake once everything has settled; what it sees
is what the block sees on the next rising edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cocotb.triggers import FallingEdge, ReadOnly

Beat = Mapping[str, int]
"""SystemVerilog port name -> the port's bits as one integer."""


class CycleCounter:
    """Counts falling edges, for latencies."""

    def __init__(self) -> None:
        self.cycle = 0

    async def run(self, clk: Any) -> None:
        """Count for ever."""
        while True:
            await FallingEdge(clk)
            self.cycle += 1


class Source:
    """Offers beats in order; a beat once offered stays until the block takes it."""

    def __init__(self, dut: Any, beats: Sequence[Beat], pauses: Iterator[bool]) -> None:
        self.dut = dut
        self.beats = beats
        self.pauses = pauses
        self.taken_cycles: list[int] = []
        """The cycle in which each beat was taken."""

    async def run(self, counter: CycleCounter) -> None:
        """Offer every beat, then stop offering."""
        for index, beat in enumerate(self.beats):
            await FallingEdge(self.dut.clk_i)
            while next(self.pauses):
                # The payload of another beat must not matter without in_valid.
                self._drive(self.beats[index - 1], valid=False)
                await FallingEdge(self.dut.clk_i)
            self._drive(beat, valid=True)
            while True:
                await ReadOnly()
                if self.dut.in_ready_o.value == 1:
                    break
                await FallingEdge(self.dut.clk_i)
            self.taken_cycles.append(counter.cycle)
        await FallingEdge(self.dut.clk_i)
        self._drive(self.beats[0], valid=False)

    def _drive(self, beat: Beat, *, valid: bool) -> None:
        self.dut.in_valid_i.value = int(valid)
        for port, bits in beat.items():
            getattr(self.dut, port).value = bits


class Sink:
    """Takes results, and checks that they hold still while they are not taken."""

    def __init__(self, dut: Any, ports: Sequence[str], pauses: Iterator[bool]) -> None:
        self.dut = dut
        self.ports = ports
        self.pauses = pauses
        self.results: list[dict[str, int]] = []
        self.result_cycles: list[int] = []

    async def run(self, counter: CycleCounter) -> None:
        """Take results for ever."""
        held: dict[str, int] | None = None
        while True:
            await FallingEdge(self.dut.clk_i)
            ready = not next(self.pauses)
            self.dut.out_ready_i.value = int(ready)
            await ReadOnly()
            valid = self.dut.out_valid_o.value == 1
            where = f"after {len(self.results)} results"
            assert held is None or valid, f"out_valid fell while the output was stalled, {where}"
            if not valid:
                continue
            payload = {port: int(getattr(self.dut, port).value) for port in self.ports}
            assert held is None or held == payload, (
                f"the payload changed while the output was stalled, {where}: {held} -> {payload}"
            )
            held = None if ready else payload
            if ready:
                self.results.append(payload)
                self.result_cycles.append(counter.cycle)
