"""Programs of PLENA's instructions: how fast both interpreters and the assembler are.

A decoder layer of the demo model's sizes with random weights, five tokens, on plena.toml (MLEN 64,
BLEN 4). The golden interpreter carries out the first part of it only.
"""

from __future__ import annotations

import random

from plena_cosim.golden.isa import assemble, get_revision
from plena_cosim.golden.isa.fast import FastInterpreter
from plena_cosim.golden.isa.interpreter import Interpreter
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.ground.progress import Progress
from plena_cosim.programs import build

from .effort import Effort
from .part import Goal, Part, Row, speedup_row
from .timing import Spread, race

SIZES = {"rows": 5, "columns": 576, "outputs": 1536, "block": 64, "kv_heads": 3}
TOY = {"rows": 1, "columns": 64, "outputs": 64, "block": 64, "kv_heads": 1}
GOLDEN = 4000
"""Instructions that the golden interpreter carries out."""


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return instructions and lines a second, and how much quicker the quick interpreter is."""
    machine = Machine.load("plena.toml")
    progress("programs", 0, 2)
    built = build("decoder_layer", machine, **(SIZES if effort.full else TOY))
    words, hbm = built.builder.program().words, built.builder.image.bytes()
    most = min(GOLDEN if effort.full else 200, built.builder.carried_out)
    FastInterpreter(machine, words, hbm=hbm).carry_out(most=most)  # tables of functions are made

    def golden() -> None:
        for _ in Interpreter(machine, words, hbm=hbm).run(most=most):
            pass

    def quick() -> None:
        FastInterpreter(machine, words, hbm=hbm).carry_out(most=most)

    def whole() -> None:
        FastInterpreter(machine, words, hbm=hbm).carry_out()

    contenders = {"golden": golden, "quick": quick}
    times = race(contenders, effort)
    rows = [speedup_row(times, "quick", "golden", label="quick / golden interpreter")]
    seconds = race({"whole": whole}, effort)["whole"]
    rows.append(
        _rate("quick interpreter", "k instructions/s", built.builder.carried_out, seconds, 20)
    )
    progress("programs", 1, 2)
    lines = 100_000 if effort.full else 2_000
    table = get_revision("plena")
    for what, text in (("random", _random(lines)), ("built", built.builder.text)):
        text = text if what == "random" else text * max(lines // (text.count("\n") + 1), 1)
        count = text.count("\n")
        timed = race({what: lambda text=text: assemble(text, table)}, effort)[what]
        rows.append(_rate(f"assembler, {what} lines", "k lines/s", count, timed, 200))
    progress("programs", 2, 2)
    return rows


def _rate(what: str, unit: str, count: int, seconds: list[float], goal: float) -> Row:
    return Row(
        what=what,
        unit=unit,
        figure=Spread.of([count / each / 1e3 for each in seconds]),
        goal=Goal(at_least=goal),
        less_is_better=False,
    )


def _random(lines: int) -> str:
    """Return lines no two of which are likely the same."""
    draw = random.Random(0)

    def gp() -> str:
        return f"gp{draw.randrange(16)}"

    kinds = (
        lambda: f"S_ADDI_INT {gp()}, {gp()}, {draw.randrange(1 << 18)}",
        lambda: f"V_ADD_VV {gp()}, {gp()}, {gp()}, {draw.randrange(2)}",
        lambda: f"M_TMM {draw.randrange(8)}, {gp()}, {gp()}",
        lambda: f"H_PREFETCH_V {gp()}, {gp()}, a{draw.randrange(8)}, 1, 2 ; rows",
    )
    return "".join(f"    {draw.choice(kinds)()}\n" for _ in range(lines))


PART = Part(
    name="programs",
    about="Programs: both interpreters on a decoder layer of the demo model's sizes, the assembler",
    minutes=1.5,
    measure=measure,
)
