"""Prove the RTL and see every proof find its fault: what `plena prove` and `make prove` run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from plena_cosim.golden import FormatError
from plena_cosim.golden.ops.registry import get_op
from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.record import environment, write_record
from plena_cosim.ground.scratch_folder import scratch_folder

from ..regression.run import CHECKOUT
from ..verilate.fault import Fault
from ..verilate.rtl_files import RTL_DIR
from .proofs import (
    CONTROL,
    LATENCY_TOP,
    PROOFS,
    Proof,
    contract_source,
    latency_source,
    proofs_about,
)
from .smt import (
    Design,
    ElaborationError,
    as_line,
    chain_of,
    check_tools,
    constant,
    depends,
    elaborate,
    find_violation,
    induct,
    reachable,
)

RESULTS = CHECKOUT / "results" / "prove"
PLAIN_WIDTH = 110
"""Columns where the output is not a terminal."""
DEPTH = 10
"""Cycles from reset that are searched for a violation, and the most that an induction may need."""
FEW_STAGES = 6
"""Stages up to which all the ways to be full and empty are listed; of more a chain is made."""
STAGE, COUNT, QUIET = "valid_q", "u_props.count_q", "u_props.quiet_q"
"""The registers that say which stages are full, and two of plena_stream_props."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What became of one seeded bug."""

    bug: Fault
    configuration: str = ""
    """The first one in which it shows; "" when it was not found."""
    counterexample: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one proof."""

    proof: str
    modules: tuple[str, ...]
    claim: str
    configurations: tuple[str, ...]
    method: str
    failure: str
    """Why it does not hold, with the counterexample; "" when it is proven."""
    seconds: float
    bugs: tuple[Found, ...] = field(default=())
    bug_seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether it is proven and every bug was found."""
        return not self.failure and all(found.configuration for found in self.bugs)


def check(design: Design, proof: Proof) -> tuple[str, str]:
    """Try to prove one configuration; return the method in words, and the failure or ""."""
    shown = [name for name in proof.shown if name in design.wires]
    stages = design.ending([STAGE])
    deep = len(stages) > FEW_STAGES and COUNT in design.wires
    chain = chain_of(design, stages, COUNT, QUIET) if deep else None
    # A deep block is searched through only where an induction of one step fails.
    if chain and find_violation(design, 1) is None and induct(design, 1, [], chain=chain) is None:
        return _independent(design, proof) or (f"induction k=1, {len(stages)} stages", "")
    if steps := find_violation(design, DEPTH, shown):
        return "search from reset", as_line(design, steps, shown)
    if not design.clocked:
        return "all inputs", ""
    if failure := _independent(design, proof):
        return failure
    states = reachable(design, CONTROL)
    for depth in range(1, DEPTH + 1):
        steps = induct(design, depth, states, shown)
        if steps is None:
            return f"induction k={depth}, {len(states)} states", ""
    assert steps is not None
    return "induction", (
        f"no violation within {DEPTH} cycles of a reset, but not inductive either; from a state "
        f"that may not occur: {as_line(design, steps, shown)}"
    )


def _independent(design: Design, proof: Proof) -> tuple[str, str] | None:
    """Return method and failure where an output looks at ready within the cycle."""
    for output in proof.independent:
        if steps := depends(design, output, "out_ready_i"):
            line = as_line(design, steps[1:], (output, *design.inputs))
            return "two futures", f"{output} depends on out_ready_i: {line}"
    return None


def designs(proof: Proof, rtl_dir: Path) -> Iterator[tuple[str, Design]]:
    """Yield the elaborated configurations of a proof, by label."""
    source = ""
    if proof.op:
        op = get_op(proof.op)
        probe = elaborate(LATENCY_TOP, rtl_dir=rtl_dir, source=latency_source(op))
        source = contract_source(op, constant(probe, "latency_o"))
    for label, parameters in proof.configurations.items():
        yield label, elaborate(proof.top, parameters, rtl_dir=rtl_dir, source=source)


def attempt(proof: Proof, rtl_dir: Path = RTL_DIR) -> Result:
    """Try every configuration of a proof; stops at the first that fails."""
    began = time.monotonic()
    methods: list[str] = []
    failure = ""
    for label, design in designs(proof, rtl_dir):
        method, failure = check(design, proof)
        methods.append(method)
        if failure:
            failure = f"{label}: {failure}"
            break
    return Result(
        proof=proof.name,
        modules=proof.modules,
        claim=proof.claim,
        configurations=tuple(proof.configurations),
        method=max(methods, key=len),
        failure=failure,
        seconds=time.monotonic() - began,
    )


def seed(proof: Proof, fault: Fault, rtl_dir: Path = RTL_DIR) -> Found:
    """Put a fault into a copy of the RTL and look for it: a real way to it from reset, no less.

    Args:
        proof: that has to find it.
        fault: the text that is replaced, and what it becomes.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.

    Returns:
        In which configuration it shows, and the counterexample in a line.
    """
    with scratch_folder("bug") as folder:
        changed = fault.write(folder, rtl_dir=rtl_dir)
        found = find_bug(proof, changed)
    where, counterexample = found or ("", "")
    return Found(bug=fault, configuration=where, counterexample=counterexample)


def find_bug(proof: Proof, rtl_dir: Path) -> tuple[str, str] | None:
    """Return a configuration and a way from reset to a violation in it; None if there is none."""
    for label, design in designs(proof, rtl_dir):
        stages = len(design.ending([STAGE]))
        first = stages + 3 if stages > FEW_STAGES else 1  # reset, in, through, out and on
        if steps := find_violation(design, first + DEPTH - 1, proof.shown, first=first):
            return label, as_line(design, steps, proof.shown)
    return None


def select_proofs(name: str | None = None, block: str | None = None) -> tuple[Proof, ...]:
    """Return the proofs of that name, about that block; all by default.

    Args:
        name: of one proof.
        block: an op: proofs about its block and about the modules that it is made of.

    Raises:
        FormatError: an unknown name or op, with the nearest known one.
    """
    among = PROOFS if block is None else proofs_about(get_op(block))
    if name is None:
        return among
    chosen = tuple(proof for proof in among if proof.name == name)
    if not chosen:
        known = [proof.name for proof in among]
        where = "" if block is None else f" of block {block}"
        raise FormatError(
            f"unknown proof {name!r}{where}; known: {', '.join(known)}{did_you_mean(name, known)}"
        )
    return chosen


def run(
    name: str | None = None,
    block: str | None = None,
    *,
    console: Console | None = None,
    results: Path = RESULTS,
    proofs: Sequence[Proof] | None = None,
    rtl_dir: Path = RTL_DIR,
) -> int:
    """Run the proofs, then their bugs; print the table and write prove.json.

    Args:
        name: only this proof.
        block: only proofs about this op's block and the modules in it.
        console: where the table goes.
        results: folder of prove.json.
        proofs: these instead of the project's.
        rtl_dir: where the RTL is.

    Returns:
        0 when all is proven and every bug is found, else 1.

    Raises:
        FormatError: an unknown proof or op.
        ProofToolsError: pyosys or z3 is missing.
    """
    console = console or Console()
    check_tools()
    chosen = select_proofs(name, block) if proofs is None else tuple(proofs)
    done: list[Result] = []
    for index, proof in enumerate(chosen, 1):
        count = len(proof.configurations)
        words = f"prove {index}/{len(chosen)}: {proof.name}"
        console.print(f"{words}, {count} configuration{'s' * (count > 1)}", highlight=False)
        done.append(_run_one(proof, rtl_dir))
    narrowed = [*(["--block", block] if block else []), *(["--proof", name] if name else [])]
    record = {
        **environment(["pyosys", "z3-solver"]),
        "command": " ".join(["plena", "prove", *narrowed]),
        "proofs": [asdict(result) for result in done],
    }
    write_record(results / "prove.json", record)
    _show(done, console)
    return 0 if all(result.good for result in done) else 1


def _run_one(proof: Proof, rtl_dir: Path) -> Result:
    try:
        result = attempt(proof, rtl_dir)
        began = time.monotonic()
        found = tuple(seed(proof, fault, rtl_dir) for fault in proof.faults)
    except ElaborationError as error:
        return Result(
            proof=proof.name,
            modules=proof.modules,
            claim=proof.claim,
            configurations=tuple(proof.configurations),
            method="none",
            failure=str(error),
            seconds=0.0,
        )
    seconds = time.monotonic() - began
    return Result(**{**vars(result), "bugs": found, "bug_seconds": seconds})


def _show(results: Sequence[Result], console: Console) -> None:
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("proof", "method", "result"):
        table.add_column(heading, no_wrap=True)
    for heading in ("time", "bugs found"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        found = sum(bool(found.configuration) for found in result.bugs)
        table.add_row(
            result.proof,
            f"{result.method} × {len(result.configurations)}",
            "[bold red]FAILED" if result.failure else "proven",
            f"{result.seconds + result.bug_seconds:.1f} s",
            f"{'' if found == len(result.bugs) else '[bold red]'}{found} of {len(result.bugs)}",
        )
    console.print(table, width=None if console.is_terminal else PLAIN_WIDTH)
    for result in results:
        if result.failure:
            _tell(console, f"FAILED {result.proof}: {result.failure}")
        for bug in result.bugs:
            if bug.configuration:
                place = f"{bug.bug.name!r} in {bug.configuration}"
                _tell(console, f"{result.proof} finds {place}: {bug.counterexample}")
            else:
                _tell(console, f"FAILED {result.proof} does not find {bug.bug.name!r}")


def _tell(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)
