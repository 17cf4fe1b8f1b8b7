"""Random programs on both interpreters, many of them: `make programs-long`.

What is done stands in a file, and a run that was stopped goes on there.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console

from plena_cosim.golden.isa.held_equal import MACHINES, first_difference
from plena_cosim.golden.isa.random_programs import random_program, shortest
from plena_cosim.ground.progress_bar import progress_bars
from plena_cosim.ground.write_whole import write_whole

PART = 250
"""Programs of one unit of work."""
STEPS = 16


def part(number: int, programs: int) -> tuple[int, float, str | None]:
    """Run one part.

    Args:
        number: of the part.
        programs: of all parts.

    Returns:
        Its number, CPU seconds, and what is wrong: the shortest program that shows it.
    """
    began = time.process_time()
    for seed in range(number * PART, min((number + 1) * PART, programs)):
        machine = seed % len(MACHINES)
        program = random_program(MACHINES[machine], seed, steps=STEPS)
        found = first_difference(program)
        if found is not None:
            least = shortest(program, lambda p: first_difference(p) is not None)
            wrong = (
                f"random_program(MACHINES[{machine}], {seed}, steps={STEPS}): {found}; shortest: "
                f"{[f'{word:08X}' for word in least.words]}: {first_difference(least)}"
            )
            return number, time.process_time() - began, wrong
    return number, time.process_time() - began, None


def main(given: list[str] | None = None) -> int:
    """Run what is not done yet, and say what was found.

    Args:
        given: arguments; those of the command line when None.

    Returns:
        0, or 1 where a program runs differently.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("results/programs-long.json"))
    asked = parser.parse_args(given)
    console = Console()
    about = {"programs": asked.programs, "part": PART, "steps": STEPS}
    done: dict[str, float] = {}
    if asked.out.exists():
        before = json.loads(asked.out.read_text())
        if {key: before.get(key) for key in about} == about:
            done = before["seconds"]
    parts = -(-asked.programs // PART)
    left = [number for number in range(parts) if str(number) not in done]
    with progress_bars(console) as bars, ProcessPoolExecutor(asked.jobs) as pool:
        running = [pool.submit(part, number, asked.programs) for number in left]
        for each in as_completed(running):
            number, seconds, wrong = each.result()
            if wrong is not None:
                pool.shutdown(cancel_futures=True)
                console.print(wrong, highlight=False, soft_wrap=True)
                return 1
            done[str(number)] = round(seconds, 1)
            write_whole(asked.out, json.dumps({**about, "seconds": done}) + "\n")
            bars("programs", len(done), parts)
    console.print(
        f"{asked.programs:,} programs on {len(MACHINES)} machines: both interpreters have the same "
        f"state after every instruction ({sum(done.values()):,.0f} s of CPU)",
        highlight=False,
        soft_wrap=True,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
