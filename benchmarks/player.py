"""The vector player against a loop written by hand in C++ over the same Verilated model."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plena_cosim.ground.progress import Progress
from plena_cosim.sim import load_block
from plena_cosim.sim.player.harness import SizedPort
from plena_cosim.sim.player.player import Block
from plena_cosim.sim.stimuli.stimuli import sample
from plena_cosim.sim.verilate.model import PLAYER, Model, build

from .effort import Effort
from .part import Part, Row, speedup_row
from .timing import Spread, race

HAND_CPP = Path(__file__).parent / "player.cpp"
AT_LEAST = 0.6


@dataclass(frozen=True, kw_only=True)
class Case:
    """A block, and how wide its inputs are."""

    op: str
    formats: dict[str, Any]


CASES = (
    Case(op="fp_add", formats={"fmt": "bf16"}),
    Case(op="reduce_max", formats={"src": "bf16", "dst": "bf16", "lanes": 256}),
)


def by_hand(block: Block) -> ctypes.CDLL:
    """Return the hand-written loop over the model of a block, built with the player's flags.

    Args:
        block: whose outputs are one port; codes of up to 32 bits, in lanes of whole bytes.
    """
    header = "#define HAND_DRIVE(beat) " + " ".join(
        _drive(index, port) for index, port in enumerate(block.inputs)
    )
    (out,) = block.outputs
    kind = f"{np.dtype(out.dtype)}_t"
    header += f"\n#define HAND_STORE(beat) static_cast<{kind}*>(output)[beat] = top.{out.sv_name};"
    model = Model(
        module=block.op.module,
        parameters=block.op.sv_parameters(**block.formats),
        flavour=PLAYER,
        harness={
            "hand.h": header + "\n",
            "hand.cpp": HAND_CPP.read_text(encoding="utf-8"),
            "exports.map": "{ global: plena_*; local: *; };\n",
        },
    )
    library = ctypes.CDLL(str(build(model)))
    library.plena_hand.restype = ctypes.c_uint64
    return library


def _drive(index: int, port: SizedPort) -> str:
    """Return the C++ that puts one beat into a port."""
    kind = f"{np.dtype(port.dtype)}_t"
    source = f"static_cast<const {kind}*>(inputs[{index}]) + beat * {port.lanes}"
    if port.lanes == 1:
        return f"top.{port.sv_name} = *({source});"
    if port.width_bits == 1:
        # A mask: bits gathered into words, as a port has them.
        return (
            f"{{ const {kind}* lane = {source}; for (int w = 0; w < {-(-port.lanes // 32)}; ++w) "
            f"{{ uint32_t word = 0; for (int i = 0; i < 32; ++i) "
            f"word |= static_cast<uint32_t>(lane[32 * w + i]) << i; top.{port.sv_name}[w] = word; "
            "}}"
        )
    return f"std::memcpy(&top.{port.sv_name}[0], {source}, {port.total_bits // 8});"


def play_by_hand(library: ctypes.CDLL, block: Block, beats: dict[str, Any]) -> tuple[Any, int]:
    """Return results and cycles of the hand-written loop.

    Args:
        library: of `by_hand`.
        block: the same block.
        beats: codes by port, of the ports' dtypes, contiguous.
    """
    arrays = [np.ascontiguousarray(beats[port.name], port.dtype) for port in block.inputs]
    count = len(arrays[0])
    (out,) = block.outputs
    found = np.zeros(out.shape(count), out.dtype)
    pointers = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
    cycles = library.plena_hand(
        pointers, ctypes.c_void_p(found.ctypes.data), ctypes.c_uint64(count)
    )
    return found, int(cycles)


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return speed and share of the hand-written loop's, for each block; toys take the first."""
    rows = []
    cases = CASES if effort.full else CASES[:1]
    for done, case in enumerate(cases):
        progress("player", done, len(cases))
        block = load_block(case.op, **case.formats)
        library = by_hand(block)
        wide = sum(port.total_bits for port in block.inputs)
        beats = dict(
            sample(
                block.op,
                block.formats,
                seed=0,
                count=(1 << 21) // max(wide // 32, 1) if effort.full else 1 << 12,
            )
        )
        found, cycles = play_by_hand(library, block, beats)
        assert np.array_equal(found, block.run(**beats)), "both loops give the same codes"
        times = race(
            {
                "player": lambda b=block, g=beats: b.play(g),
                "C++ loop": lambda lib=library, b=block, g=beats: play_by_hand(lib, b, g),
            },
            effort,
            at_most_seconds=20,
        )
        label = f"speed of {block.label}, {wide} bits in, as a share of the C++ loop's"
        rows.append(speedup_row(times, "player", "C++ loop", label=label, at_least=AT_LEAST))
        rows.append(
            Row(
                what=f"{block.label}, {wide} bits in",
                unit="M cycles/s",
                figure=Spread.of([cycles / 1e6 / seconds for seconds in times["player"]]),
                less_is_better=False,
            )
        )
    progress("player", len(cases), len(cases))
    return rows


PART = Part(
    name="player",
    about="Verilated blocks; the loop in C++ has no gaps, no stalls and no checks.",
    minutes=1,
    measure=measure,
)
