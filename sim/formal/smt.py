"""SystemVerilog as an SMT problem, and the questions a proof asks of it: pyosys reads, z3 answers.

A design to prove has an output `holds_o` that must be 1, and may have an `assumed_o` that says
which inputs count. Every input is free otherwise: any value, in every cycle.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.scratch_folder import scratch_folder

from ..verilate.process import run_tool
from ..verilate.rtl_files import RTL_DIR, needed_sources, without_spaces
from ..verilate.sv_literal import sv_literal

INSTALL = "install the wheels, no root needed: pip install 'plena-cosim[synth]'"
HOLDS, ASSUMED, RESET = "holds_o", "assumed_o", "rst_ni"

# async2sync turns an asynchronous reset into logic, so that a step sees its effect at once.
YOSYS_STEPS = (
    "proc",
    "flatten",
    "memory_map",
    "async2sync",
    "opt -full",
    "dffunmap",  # write_smt2 knows plain registers only
    "check -assert",
)
YOSYS = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for command in sys.stdin_commands:
    ys.run_pass(command, design)
""".replace("sys.stdin_commands", "sys.argv[1:]")

_WIRE = re.compile(r"^; yosys-smt2-wire (\S+) (\d+)$", re.MULTILINE)
_INPUT = re.compile(r"^; yosys-smt2-input (\S+) (\d+)$", re.MULTILINE)
_ERROR = re.compile(r"^.*\berror\b.*$", re.MULTILINE | re.IGNORECASE)


class ProofToolsError(PlenaError, ImportError):
    """pyosys or z3 is not there; the message says what to install."""


class ElaborationError(PlenaError, RuntimeError):
    """Yosys refused the RTL; the message has its words."""


def tools_missing() -> list[str]:
    """Return which of the wheels that proofs need are not installed."""
    wheels = {"pyosys": "pyosys", "z3": "z3-solver"}
    return [wheel for name, wheel in wheels.items() if importlib.util.find_spec(name) is None]


def check_tools() -> None:
    """Raise ProofToolsError unless pyosys and z3 are installed."""
    if missing := tools_missing():
        raise ProofToolsError(f"proofs need {' and '.join(missing)}; {INSTALL}")


@dataclass(frozen=True, kw_only=True)
class Design:
    """An elaborated module as SMT text, as yosys' write_smt2 makes it: a state is a bit-vector."""

    top: str
    smt: str
    wires: Mapping[str, int]
    """Width of every named signal."""
    inputs: tuple[str, ...]

    @property
    def clocked(self) -> bool:
        """Whether it has a reset, and so registers."""
        return RESET in self.inputs

    def ending(self, names: Sequence[str]) -> list[str]:
        """Return the signals whose own name, without the path to it, is one of `names`."""
        return [wire for wire in self.wires if wire.rsplit(".", 1)[-1] in names]


def elaborate(
    top: str,
    parameters: Mapping[str, int | str] | None = None,
    *,
    rtl_dir: Path = RTL_DIR,
    source: str = "",
) -> Design:
    """Return `top` with its parameters, flattened, as SMT text.

    Args:
        top: the module; a file of `rtl_dir`, or defined by `source`.
        parameters: for the top module.
        rtl_dir: where the RTL is.
        source: text of one more file, which holds `top`.

    Raises:
        ElaborationError: yosys refused.
        RtlNotFoundError: no file for a module.
    """
    with scratch_folder("prove") as folder:
        out = folder / "design.smt2"
        if source:
            # Looked for beside the RTL, so that what it uses is found by the same rule.
            files = _needed_by(source, rtl_dir)
            extra = folder / f"{top}.sv"
            extra.write_text(source, encoding="utf-8")
            files.append(extra)
        else:
            files = needed_sources(top, rtl_dir)
        values = (parameters or {}).items()
        given = " ".join(f"-G {name}={sv_literal(value)}" for name, value in values)
        files = without_spaces(files, folder)
        read = f"read_slang --top {top} {given} {' '.join(map(str, files))}"
        commands = [read, *YOSYS_STEPS, f"write_smt2 -stbv -wires {out}"]
        status, words = run_tool([sys.executable, "-c", YOSYS, *commands], cwd=folder)
        if status or not out.is_file():
            errors = _ERROR.findall(words) or words.strip().splitlines()[-3:]
            raise ElaborationError(
                f"yosys cannot elaborate {top} {given}: {' | '.join(errors[:3])}"
            )
        text = out.read_text(encoding="utf-8")
    # yosys escapes names that are no plain identifiers; those are its own.
    wires = {name: int(width) for name, width in _WIRE.findall(text) if "$" not in name}
    return Design(
        top=top, smt=text, wires=wires, inputs=tuple(name for name, _ in _INPUT.findall(text))
    )


def _needed_by(source: str, rtl_dir: Path) -> list[Path]:
    """Return the files that a text outside `rtl_dir` needs, in order."""
    known = {path.stem for path in rtl_dir.rglob("plena_*.sv")}
    files: list[Path] = []
    for word in sorted(set(re.findall(r"\bplena_\w+", source)) & known):
        files += [path for path in needed_sources(word, rtl_dir) if path not in files]
    return files


@dataclass(frozen=True, kw_only=True)
class Step:
    """The named signals of one cycle of a counterexample."""

    cycle: int
    values: Mapping[str, int]


class Unrolled:
    """Some cycles of a design in a solver, each following the one before.

    Args:
        design: the design.
        cycles: how many.
        watched: signals that questions name; `holds_o`, `assumed_o` and the reset are always.
        forks: cycle that the last one follows instead of the one before it, for questions about two
            futures of one state.
    """

    def __init__(
        self, design: Design, cycles: int, watched: Sequence[str] = (), *, forks: int | None = None
    ) -> None:
        import z3

        self.z3: Any = z3
        self.design = design
        self.cycles = cycles
        always = [name for name in (HOLDS, ASSUMED, RESET) if name in design.wires]
        self.watched = list(dict.fromkeys([*always, *watched]))
        self.solver: Any = z3.SolverFor("QF_BV")
        self.solver.from_string("\n".join([design.smt, *self._text(forks)]))
        if ASSUMED in design.wires:
            for cycle in range(cycles):
                self.solver.add(self.is_one(ASSUMED, cycle))

    def _text(self, forks: int | None) -> list[str]:
        top = self.design.top
        lines = [f"(declare-const s{cycle} |{top}_s|)" for cycle in range(self.cycles)]
        for cycle in range(1, self.cycles):
            before = forks if forks is not None and cycle == self.cycles - 1 else cycle - 1
            lines.append(f"(assert (|{top}_t| s{before} s{cycle}))")
        for cycle in range(self.cycles):
            for wire in self.watched:
                width = self.design.wires[wire]
                value = f"(|{top}_n {wire}| s{cycle})"
                if width == 1:  # write_smt2 makes single bits Booleans
                    value = f"(ite {value} #b1 #b0)"
                lines.append(f"(declare-const |{wire}@{cycle}| (_ BitVec {width}))")
                lines.append(f"(assert (= |{wire}@{cycle}| {value}))")
        # What a step writes are the registers.
        body = re.search(rf"\(define-fun \|{top}_t\|.*?\n\)", self.design.smt, re.DOTALL)
        names = re.findall(r"\(\|([^|]+)\| next_state\)", body[0] if body else "")
        for cycle in range(1, self.cycles):
            same = " ".join(
                f"(= (|{n}| s{cycle - 1}) (|{n}| s{cycle}))" for n in sorted(set(names))
            )
            lines.append(f"(declare-const moves@{cycle} Bool)")
            lines.append(f"(assert (= moves@{cycle} (not (and true {same}))))")
        return lines

    def value(self, wire: str, cycle: int) -> Any:
        """Return a watched signal in a cycle, as a z3 bit-vector."""
        return self.z3.BitVec(f"{wire}@{cycle}", self.design.wires[wire])

    def is_one(self, wire: str, cycle: int) -> Any:
        """Return that a watched single bit is 1 in a cycle."""
        return self.value(wire, cycle) == 1

    def moves(self, cycle: int) -> Any:
        """Return that some register differs from the cycle before."""
        return self.z3.Bool(f"moves@{cycle}")

    def starts_in_reset(self) -> Any:
        """Return that the first cycle is a reset, if there is one."""
        return self.value(RESET, 0) == 0 if self.design.clocked else self.z3.BoolVal(True)

    def solve(self, *conditions: Any) -> list[Step] | None:
        """Return one way to make all conditions true, or None when there is none."""
        self.solver.push()
        self.solver.add(*conditions)
        verdict = self._check()
        steps = None
        if verdict == self.z3.sat:
            steps = self._steps(self.solver.model())
        self.solver.pop()
        if verdict == self.z3.unknown:
            raise RuntimeError(f"z3 gave up on {self.design.top}: {self.solver.reason_unknown()}")
        return steps

    def _check(self) -> Any:
        """Return z3's verdict; a signal breaks it off, which waits for no end of z3.

        Python hands a signal to the main thread between two steps of its own, of which z3 is one:
        so that thread only waits. To Ctrl-C z3 may come first, and give up without an error.
        """
        with ThreadPoolExecutor(1) as other:
            verdict = other.submit(self.solver.check)
            try:
                wait([verdict])
            except BaseException:
                self.solver.interrupt()
                raise
        if "interrupted" in self.solver.reason_unknown():
            raise KeyboardInterrupt
        return verdict.result()

    def _steps(self, model: Any) -> list[Step]:
        return [
            Step(
                cycle=cycle,
                values={
                    wire: model.eval(self.value(wire, cycle), model_completion=True).as_long()
                    for wire in self.watched
                },
            )
            for cycle in range(self.cycles)
        ]


def constant(design: Design, wire: str) -> int:
    """Return the value of a signal that has only one."""
    steps = Unrolled(design, 1, [wire]).solve()
    assert steps is not None
    return steps[0].values[wire]


def find_violation(
    design: Design, depth: int, shown: Sequence[str] = (), *, first: int = 1
) -> list[Step] | None:
    """Return the shortest way from reset to a cycle in which `holds_o` is 0, within `depth` cycles.

    A design without a reset is one cycle of logic; for it, None is a proof.

    Args:
        design: with an output `holds_o`.
        depth: cycles after the reset that are looked at.
        shown: signals whose values the steps have, besides the inputs.
        first: cycles below which nothing is looked for; a proof needs 1.
    """
    for cycles in range(first, (depth if design.clocked else 1) + 1):
        run = Unrolled(design, cycles, shown)
        steps = run.solve(run.starts_in_reset(), run.value(HOLDS, cycles - 1) == 0)
        if steps:
            return steps
    return None


def reachable(design: Design, names: Sequence[str]) -> list[dict[str, int]]:
    """Return every combination of values that some registers can have after a reset, or more.

    It is exact when these registers depend on nothing but each other and the inputs; else other
    registers count as free, which makes the list longer but never wrong.

    Args:
        design: a clocked design.
        names: the registers, by their own names without a path; keep their bits few.
    """
    wires = design.ending(names)
    run = Unrolled(design, 2, wires)
    known: list[dict[str, int]] = []

    def is_state(state: Mapping[str, int], cycle: int) -> Any:
        return run.z3.And([run.value(wire, cycle) == value for wire, value in state.items()])

    def add_all(cycle: int, source: Any) -> bool:
        """Add states of `cycle` until there are no new ones; return whether there were any."""
        before = len(known)
        while steps := run.solve(source, *(run.z3.Not(is_state(s, cycle)) for s in known)):
            known.append({wire: steps[cycle].values[wire] for wire in wires})
        return len(known) > before

    add_all(0, run.starts_in_reset())
    while add_all(1, run.z3.Or([is_state(state, 0) for state in known])):
        pass
    return known


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Stages that a beat goes through one after another, and what counts the beats in them.

    Attributes:
        stages: the register of each that says whether it is full, the first stage first.
        count: the register with the number of beats.
        quiet: the register with the cycles in which there were beats and none at the end.
    """

    stages: tuple[str, ...]
    count: str
    quiet: str

    @property
    def registers(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.stages, self.count, self.quiet)

    def holds(self, run: Unrolled, cycle: int) -> Any:
        """Return that the count is right, and `quiet` below the place of the foremost beat."""
        width = run.design.wires[self.count]
        ones = [run.z3.ZeroExt(width - 1, run.value(stage, cycle)) for stage in self.stages]
        foremost = run.z3.BitVecVal(0, width)
        for place, stage in enumerate(self.stages):
            foremost = run.z3.If(run.is_one(stage, cycle), place, foremost)
        right = run.value(self.count, cycle) == run.z3.Sum(ones)
        return run.z3.And(right, run.z3.ULE(run.value(self.quiet, cycle), foremost))


def chain_of(design: Design, stages: Sequence[str], count: str, quiet: str) -> Chain | None:
    """Return stages in the order in which a lone beat fills them; None if they are no chain.

    Args:
        design: a block and plena_stream_props.
        stages: registers that say whether a stage is full, in any order.
        count, quiet: as in `Chain`.

    Returns:
        The chain, of which what it says is proven to hold from a reset on, for ever.
    """
    run = Unrolled(design, 2, [*stages, count, quiet, "in_valid_i", "out_ready_i"])
    still = [run.is_one(RESET, 0), run.is_one(RESET, 1), run.is_one("out_ready_i", 0)]
    order: list[str] = []
    while len(order) < len(stages):
        full = order[-1:]
        alone = [run.value(stage, 0) == int(stage in full) for stage in stages]
        enters = run.value("in_valid_i", 0) == int(not order)
        steps = run.solve(*still, *alone, enters)
        after = [stage for stage in stages if steps and steps[1].values[stage]]
        if len(after) != 1 or after[0] in order:
            return None
        order += after
    chain = Chain(stages=tuple(order), count=count, quiet=quiet)
    wrong = [run.z3.Not(chain.holds(run, cycle)) for cycle in (0, 1)]
    begins = run.solve(run.starts_in_reset(), wrong[0]) is None
    return chain if begins and run.solve(chain.holds(run, 0), wrong[1]) is None else None


def induct(
    design: Design,
    depth: int,
    states: Sequence[Mapping[str, int]],
    shown: Sequence[str] = (),
    *,
    chain: Chain | None = None,
) -> list[Step] | None:
    """Return `depth` good cycles that a bad one follows, from any state; None proves the design.

    With `find_violation(design, depth)` giving None, this None means: `holds_o` is 1 for ever.
    Cycles in which no register changes are left out: a way to a violation stays one without them.

    Args:
        design: a clocked design.
        depth: good cycles in a row.
        states: what `reachable` found; other states do not occur.
        shown: signals to tell of.
        chain: what `chain_of` found; it holds in every cycle.

    Raises:
        RuntimeError: no `depth` good cycles exist at all, so that nothing would be proven.
    """
    known = chain.registers if chain else states[0] if states else ()
    run = Unrolled(design, depth + 1, [*shown, *known])
    conditions = [run.is_one(HOLDS, cycle) for cycle in range(depth)]
    if chain:
        conditions += [chain.holds(run, cycle) for cycle in range(depth + 1)]
    conditions += [run.moves(cycle) for cycle in range(1, depth + 1)]
    for cycle in range(depth + 1):
        alternatives = [
            run.z3.And([run.value(wire, cycle) == value for wire, value in state.items()])
            for state in states
        ]
        if alternatives:
            conditions.append(run.z3.Or(alternatives))
    if run.solve(*conditions) is None:
        raise RuntimeError(
            f"{design.top}: no {depth} good cycles exist at all, so nothing is proven"
        )
    return run.solve(*conditions, run.value(HOLDS, depth) == 0)


def depends(design: Design, output: str, on: str) -> list[Step] | None:
    """Return two futures of one state in which only the input `on` differs, and `output` does.

    Args:
        design: the logic.
        output: name of the output.
        on: name of the input.
    """
    run = Unrolled(design, 3, [output, *design.inputs], forks=0)
    same = [run.value(name, 1) == run.value(name, 2) for name in design.inputs if name != on]
    return run.solve(*same, run.value(output, 1) != run.value(output, 2))


def as_line(design: Design, steps: Sequence[Step], shown: Sequence[str]) -> str:
    """Return a counterexample in one line: codes in hex, single bits by name in cycles where they
    are 1, cycles by number (0 is the reset).

    Args:
        design: knows the widths.
        steps: of the counterexample, in order.
        shown: names of the signals to write.
    """
    lines = []
    for step in steps:
        words = [
            name if design.wires[name] == 1 else f"{name}={step.values[name]:#x}"
            for name in shown
            if design.wires[name] > 1 or step.values[name]
        ]
        lines.append(" ".join(words) or "-")
    if len(lines) == 1:
        return lines[0]
    return "; ".join(f"{step.cycle}: {text}" for step, text in zip(steps, lines, strict=True))
