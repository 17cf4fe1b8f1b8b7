"""Does the regression notice small faults? What `plena mutate` and `make mutate` run.

Every mutant of the RTL (`mutants.mutants_of`) is built into the blocks that use its file and
compared with golden on cheap cases, until one of them finds it; what they do not find goes to the
proofs about the file's module, where pyosys and z3 are there. A survivor is a hole in the tests,
or a change that makes no difference; those are listed with the reason in
rtl/equivalent_mutants.toml.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import random
import shutil
import signal
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from plena_cosim.golden import FormatError
from plena_cosim.golden.ops.op import Family
from plena_cosim.golden.ops.registry import OPS
from plena_cosim.ground.cache import cache_root
from plena_cosim.ground.lifeline import end_with_parent
from plena_cosim.ground.progress import time_left, time_text
from plena_cosim.ground.record import environment, write_record
from plena_cosim.ground.scratch_folder import scratch_folder

from ..cases.compare import compare
from ..cases.table import Case, find_case, select_cases
from ..formal.proofs import proofs_of
from ..formal.prove import find_bug, select_proofs
from ..formal.smt import ElaborationError, tools_missing
from ..player.player import UNSTALLED, ProtocolError, Stalls, load_op
from ..regression.report import PLAIN_WIDTH
from ..regression.run import CHECKOUT
from ..stimuli.stimuli import sample, stimuli
from ..verilate.cache import BuildError
from ..verilate.rtl_files import RTL_DIR, needed_sources
from .operators import Mutant, mutants_of

RESULTS = CHECKOUT / "results" / "mutate"
EQUIVALENTS = RTL_DIR / "equivalent_mutants.toml"
DEFAULT_COUNT = 60
SECONDS_A_CASE = 120
"""A build and a run take seconds; longer means that the simulation does not end."""
CASES_A_MUTANT = 24
RANDOM_BEATS = 4096
STALLED = Stalls(gaps=True, stalls=True)

_OF_ONE_CODE = (
    *("bf16-all", "e5m2-rdown-ieee-all", "e4m3.bias0-all", "e2m1-ieee-all", "e1m6.bias5-all"),
    *("e4m3.bias-20-all", "e5m6-rna-all", "fp16-all"),
)
_EXACT = ("e5m2-all", "e4m3-all", "e2m1-all", "e4m3fnuz-all")
_REDUCTION = (
    *("e4m3-e5m2-lanes4-vectors", "e2m1-e3m4-lanes7-vectors", "bf16-e6m5-lanes1-vectors"),
    *("bf16-bf16-lanes8-vectors", "e5m2fnuz-e4m3fnuz-lanes3-vectors"),
)


CHEAP_FAMILIES: Mapping[Family, tuple[str, ...]] = {
    Family.BINARY: ("e4m3-all", "e5m2-rdown-all"),
    Family.CHOICE: _EXACT,
    Family.SIGN: _EXACT,
    Family.UNARY: _OF_ONE_CODE,
    Family.REDUCTION: _REDUCTION,
}
CHEAP_CASES: Mapping[str, tuple[str, ...]] = {
    "fp_sigmoid": (*(f"fp_sigmoid-{case}" for case in _OF_ONE_CODE), "fp_sigmoid-e2m13-all"),
    "fp_add": (
        *("fp_add-e4m3-all", "fp_add-e5m2-rdown-all", "fp_add-e4m3-rdown-ieee-all"),
        *("fp_add-e2m1-ieee-all", "fp_add-e5m2-rup-ieee-all", "fp_add-bf16-corners+random"),
        *("fp_add-e3m4-all", "fp_add-e4m3fnuz-all", "fp_add-e5m2fnuz-rdown-ieee-all"),
    ),
    "fp_mul": (
        *(
            "fp_mul-e4m3-all",
            "fp_mul-e5m2-ieee-all",
            "fp_mul-e1m3.bias4-rup-all",
            "fp_mul-e3m2-all",
            "fp_mul-e2m1.bias-20-all",
        ),
        *("fp_mul-e4m3-rdown-ieee-all", "fp_mul-e5m2-rna-all", "fp_mul-fp16-corners+random"),
        *("fp_mul-e4m3fnuz-all", "fp_mul-e5m2fnuz-rdown-ieee-all"),
    ),
    "fp_cast": (
        *("fp_cast-bf16-e4m3-all", "fp_cast-bf16-q2.6-all", "fp_cast-bf16-fp16-all"),
        *("fp_cast-bf16-e5m2-rup-ieee-all", "fp_cast-e4m3-fp32-all", "fp_cast-q2.6-bf16-all"),
        *("fp_cast-bf16-q8.8wrap-all", "fp_cast-q16.16-q8.8-corners+random"),
    ),
    "fp_to_mx": (
        *("fp_to_mx-bf16-mxint8.b8-blocks", "fp_to_mx-bf16-mxint4.b7-blocks"),
        *("fp_to_mx-bf16-mxfp8_e5m2.b16-blocks", "fp_to_mx-bf16-mxint2.b1-blocks"),
        *("fp_to_mx-bf16-mxint4.b16.s4-blocks", "fp_to_mx-e5m2-mxfp8_e4m3.b4.rceil-blocks"),
        "fp_to_mx-e4m3-mxfp8_e4m3.b4.rceil-blocks",
        *("fp_to_mx-bf16-mxfp4_e2m1.rceil-blocks", "fp_to_mx-bf16-mxfp4_e2m1.even-blocks"),
        *("fp_to_mx-bf16-mxint8.mase.full-blocks", "fp_to_mx-bf16-mxint4.ceil-blocks"),
        *("fp_to_mx-bf16-mxint4.clip-blocks", "fp_to_mx-e5m2-mxint4.b4.s4.clip-blocks"),
        *("fp_to_mx-e4m3-mxint4.b4.s3.clip.full-blocks", "fp_to_mx-fp32-mxint16.b4-blocks"),
    ),
    "mx_to_fp": (
        *("mx_to_fp-mxint8.b8-bf16-blocks", "mx_to_fp-mxfp4_e2m1.b16-fp16-ieee-blocks"),
        *("mx_to_fp-mxint16.b4-bf16-ieee-blocks", "mx_to_fp-mxfp8_e5m2-bf16-blocks"),
        *("mx_to_fp-mxfp4_e2m1-bf16-blocks", "mx_to_fp-mxint4.b4.s5-e5m2.bias14-blocks"),
    ),
    "mx_dot": (
        "mx_dot-mxint8.b8-mxint4.b8-fp32-blocks",
        "mx_dot-mxint4.b7-mxfp4_e2m1.b7-fp32-blocks",
        "mx_dot-mxfp4_e2m1.b16-mxfp4_e2m1.b16-bf16-blocks",
        "mx_dot-mxfp8_e5m2.b8-mxfp8_e5m2.b8-fp32-blocks",
        "mx_dot-mxint4.b4.s5-mxint8.b4-fp16-blocks",
        "mx_dot-mxint2.b1-mxint16.b1-fp32-blocks",
        "mx_dot-mxint8-mxint8-q16.16-blocks",
        "mx_dot-mxint8-mxint8-q16.16wrap-blocks",
        "mx_dot-mxfp6_e3m2.b16-mxint4.b16-fp32-blocks",
    ),
    "fp_to_micro": (
        "fp_to_micro-bf16-mx9.b8-blocks",
        "fp_to_micro-fp16-mx6.b16-blocks",
        "fp_to_micro-e4m3.bias135-mx6.b4-blocks",
        "fp_to_micro-fp32-mx9.b2.w16-blocks",
        "fp_to_micro-e6m5-mx6-blocks",
        "fp_to_micro-e4m3fnuz-mx6.b4-blocks",
    ),
    "micro_dot": (
        "micro_dot-mx9.b8-mx6.b8-fp32-blocks",
        "micro_dot-mx6.b2-mx6.b2-fp16-blocks",
        "micro_dot-mx4.b16-mx9.b16-bf16-blocks",
        "micro_dot-mx9.b4.w2-mx9.b4.w16-e5m2fnuz-blocks",
    ),
    "fp_to_nvfp4": (
        "fp_to_nvfp4-e6m5-e6m5-e2m1-e4m3-lanes3-vectors",
        "fp_to_nvfp4-fp32-fp16-e3m2-e5m2-lanes5-vectors",
        "fp_to_nvfp4-fp16-bf16-e2m1-e4m3-lanes4-vectors",
        "fp_to_nvfp4-e4m3-fp32-e2m1-e4m3-lanes2-vectors",
    ),
    "nvfp4_dot": (
        "nvfp4_dot-e3m2-e5m2-fp32-lanes5-vectors",
        "nvfp4_dot-e2m1-e4m3-e6m5-lanes4-vectors",
        "nvfp4_dot-e2m1-e4m3-q16.16-lanes3-vectors",
        "nvfp4_dot-e2m1-e4m3-q16.16wrap-lanes8-vectors",
        "nvfp4_dot-e4m3-e4m3-fp16-lanes1-vectors",
    ),
    "fp_to_int": (
        *("fp_to_int-e6m5-e4m3-q4.0-all", "fp_to_int-e5m2-e6m5-q8.0-all"),
        "fp_to_int-fp16-bf16-q4.0-corners+random",
    ),
    "hadamard": (
        *("hadamard-e4m3-lanes12-block12-vectors", "hadamard-e3m2-lanes24-block24-vectors"),
        *("hadamard-bf16-lanes8-block8-vectors", "hadamard-e5m2fnuz-lanes24-block12-vectors"),
        *("hadamard-e5m2-lanes20-block20-vectors", "hadamard-bf16-lanes12-block4-vectors"),
    ),
    "mx_tile": (
        "mx_tile-mxint8.b4-mxint4.b4-fp32-bf16-rows2-cols3-slices",
        "mx_tile-mxfp4_e2m1.b4-mxfp4_e2m1.b4-bf16-e6m5-rows3-cols2-slices",
        "mx_tile-mxint2.b1-mxint8.b1-bf16-q8.8-rows2-cols1-slices",
        "mx_tile-mxint4.b2-mxint2.b2-fp32-bf16-rows2-cols2-slices",
        "mx_tile-mxint4.b8.s5-mxfp8_e5m2.b8-fp32-e6m5-rows1-cols4-slices",
        "mx_tile-mxfp8_e4m3.b8-mxfp8_e4m3.b8-q16.16-bf16-rows3-cols3-slices",
    ),
}
"""Cases that build and run in seconds, those that find most first. An op without a list has that of
its family, and where there is none its first cases of the regression."""
STAGED_CASES = frozenset(
    {
        "mx_tile-mxint8.b4-mxint4.b4-fp32-bf16-rows2-cols3-slices",
        "mx_tile-mxfp8_e4m3.b8-mxfp8_e4m3.b8-q16.16-bf16-rows3-cols3-slices",
    }
)
"""Those that are compared with `Stages = 2`, too: some lines are for that alone."""


_ALIGNING = (
    *("fp_mul-e4m3-all", "fp_mul-e3m2-all", "fp_mul-e1m3.bias4-rup-all", "fp_add-e3m4-all"),
    *("fp_cast-bf16-fp16-all", "fp_cast-e4m3-fp32-all", "fp_cast-bf16-q2.6-all"),
    *("fp_to_mx-bf16-mxfp8_e5m2.b16-blocks", "mx_to_fp-mxint16.b4-bf16-ieee-blocks"),
    *("mx_to_fp-mxfp4_e2m1.b16-fp16-ieee-blocks", "mx_dot-mxint2.b1-mxint16.b1-fp32-blocks"),
    *("fp_reciprocal-e5m2-rdown-ieee-all", "fp_mul-fp16-corners+random"),
    *("mx_dot-mxfp4_e2m1.b16-mxfp4_e2m1.b16-bf16-blocks", "fp_sqrt-e1m6.bias5-all"),
)
FIRST_CASES: Mapping[str, tuple[str, ...]] = {
    "plena_exp2_pkg": ("fp_sigmoid-e2m13-all",),
    "plena_round": (
        *("fp_add-e4m3-all", "fp_add-e5m2-rup-ieee-all", "fp_add-e4m3-rdown-ieee-all"),
        *("fp_mul-e5m2-ieee-all", "fp_add-e2m1-ieee-all", "fp_cast-bf16-e5m2-rup-ieee-all"),
        *("fp_mul-e4m3fnuz-all", "fp_add-e5m2fnuz-rdown-ieee-all"),
    ),
    "plena_round_up": ("fp_add-e4m3-all", "fp_add-e5m2-rdown-all", "fp_add-e5m2-rup-ieee-all"),
    **dict.fromkeys(("plena_normalize", "plena_shift_sticky", "plena_lead_one"), _ALIGNING),
    "plena_fp_unpack": (
        *("fp_mul-e4m3-all", "fp_mul-e5m2-ieee-all", "fp_add-e2m1-ieee-all"),
        "fp_mul-e4m3fnuz-all",
    ),
    "plena_pkg": (
        *("fp_mul-e4m3-all", "fp_mul-e5m2-ieee-all", "fp_add-e2m1-ieee-all"),
        *("fp_mul-e4m3fnuz-all", "fp_max-e4m3fnuz-all"),
    ),
}
"""For files that all blocks share: cases that exercise them, of the cheapest block."""


class Verdict(StrEnum):
    """What became of a mutant."""

    REJECTED = "rejected"
    """The tools refuse to build it."""
    KILLED = "killed"
    SURVIVED = "survived"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A mutant's verdict, and which case gave it."""

    verdict: Verdict
    by: str
    """The case, and how it was found; the cases tried, for a survivor."""


@dataclass(frozen=True, kw_only=True)
class Equivalent:
    """A mutant that changes no result, and why."""

    file: str
    old: str
    new: str
    reason: str

    def is_of(self, mutant: Mutant) -> bool:
        """Whether it means this mutant: the file, the line before and the line after."""
        return (self.file, self.old, self.new) == (mutant.file, mutant.before, mutant.after)


def read_equivalents(path: Path = EQUIVALENTS) -> list[Equivalent]:
    """Return the listed equivalent mutants; FormatError for an entry with other keys."""
    if not path.is_file():
        return []
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    keys = {"file", "old", "new", "reason"}
    for entry in table.get("mutant", []):
        if set(entry) != keys or not all(entry.values()):
            raise FormatError(f"{path}: an entry needs {', '.join(sorted(keys))}; got {entry}")
    return [Equivalent(**entry) for entry in table.get("mutant", [])]


def cheap_cases() -> list[Case]:
    """Return the cases that mutants are compared on, for every op of the registry."""
    chosen: list[Case] = []
    for op in OPS.values():
        of_family = CHEAP_FAMILIES.get(op.family, ())
        listed = CHEAP_CASES.get(op.name, [f"{op.name}-{case}" for case in of_family])
        chosen += [find_case(case) for case in listed] or select_cases(op.name)[:4]
    return chosen


def generate(cases: Sequence[Case], rtl_dir: Path = RTL_DIR) -> list[Mutant]:
    """Return every mutant of every file that a block of the cases needs, file by file."""
    modules = {case.op.module for case in cases}
    files = {path for module in modules for path in needed_sources(module, rtl_dir)}
    return [
        mutant
        for path in sorted(files)
        for mutant in mutants_of(
            path.read_text(encoding="utf-8"), path.relative_to(rtl_dir).as_posix()
        )
    ]


def choose(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return `count` mutants spread over all files, the same for the same seed.

    A larger count begins with the same mutants as a smaller one.

    Args:
        mutants: to choose from.
        count: how many.
        seed: of the choice.
    """
    generator = random.Random(seed)
    by_file: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        by_file.setdefault(mutant.file, []).append(mutant)
    for queue in by_file.values():
        generator.shuffle(queue)
    files = list(by_file)
    generator.shuffle(files)  # a count below their number is not of the first ones alone
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*(by_file[f] for f in files)))
    return [mutant for mutant in rounds if mutant is not None][:count]


def cases_for(file: str, cases: Sequence[Case], rtl_dir: Path = RTL_DIR) -> list[Case]:
    """Return the cases whose blocks need a file, the first of each block first.

    What the file's own list in FIRST_CASES names comes before all.

    Args:
        file: relative to `rtl_dir`.
        cases: to choose from.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.
    """
    by_module: dict[str, list[Case]] = {}
    for case in cases:
        by_module.setdefault(case.op.module, []).append(case)
    chosen = [
        queue
        for module, queue in by_module.items()
        if rtl_dir / file in needed_sources(module, rtl_dir)
    ]
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*chosen))
    found = [case for case in rounds if case is not None]
    first = FIRST_CASES.get(Path(file).stem, ())
    found.sort(key=lambda case: first.index(case.id) if case.id in first else len(first))
    return found[:CASES_A_MUTANT]


def try_mutant(mutant: Mutant, cases: Sequence[Case], rtl_dir: Path, cache: Path) -> Tried:
    """Build and compare a mutant case by case until one of them finds it; at last ask the proofs.

    Args:
        mutant: whose change is already made in `rtl_dir`.
        cases: in this order.
        rtl_dir: a changed copy of the RTL.
        cache: a build folder of its own.

    Returns:
        The verdict, and what found the mutant.
    """
    clocked = "always_ff" in (rtl_dir / mutant.file).read_text(encoding="utf-8")
    for case in cases:
        if found := _guarded(partial(_find, case, rtl_dir, cache, clocked=clocked), case.id):
            return found
    for name in _proofs(mutant):
        if found := _guarded(partial(_disprove, name, rtl_dir), f"proof {name}"):
            return found
    return survivor(mutant, cases)


def survivor(mutant: Mutant, cases: Sequence[Case]) -> Tried:
    """Return the verdict on a mutant that neither these cases nor any proof finds."""
    tried = [*(case.id for case in cases), *(f"proof {name}" for name in _proofs(mutant))]
    return Tried(verdict=Verdict.SURVIVED, by=", ".join(tried))


def _proofs(mutant: Mutant) -> list[str]:
    return [] if tools_missing() else proofs_of(Path(mutant.file).stem)


def _guarded(find: Callable[[], tuple[Verdict, str] | None], label: str) -> Tried | None:
    """Look for the fault in a process of its own: a broken model may abort, or never end."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, find))
    process.start()
    sender.close()
    try:
        if not receiver.poll(SECONDS_A_CASE):
            found, error = (Verdict.KILLED, f"no end within {SECONDS_A_CASE} s"), ""
        else:
            found, error = receiver.recv()
    except EOFError:
        process.join()
        found, error = (Verdict.KILLED, f"the simulation ends with {process.exitcode}"), ""
    finally:
        process.kill()
        process.join()
    if error:
        raise RuntimeError(f"{label}: {error}")
    return None if found is None else Tried(verdict=found[0], by=f"{label}: {found[1]}")


def _child(sender: Any, find: Callable[[], tuple[Verdict, str] | None]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    try:
        sender.send((find(), ""))
    except Exception as error:
        sender.send((None, f"{type(error).__name__}: {error}"))


def _disprove(name: str, rtl_dir: Path) -> tuple[Verdict, str] | None:
    """Return how a proof finds the fault in `rtl_dir`; None if it does not."""
    (proof,) = select_proofs(name)
    try:
        found = find_bug(proof, rtl_dir)
    except ElaborationError as error:
        return Verdict.REJECTED, str(error)
    return (Verdict.KILLED, f"{found[0]}: {found[1]}") if found else None


def _find(case: Case, rtl_dir: Path, cache: Path, *, clocked: bool) -> tuple[Verdict, str] | None:
    """Return how a case finds the fault in `rtl_dir`; None if it does not."""
    given = case.op.sv_parameters(**case.formats, **case.modes)
    for parameters in (given, given | {"Stages": 2}) if case.id in STAGED_CASES else (given,):
        found = _find_with(parameters, case, rtl_dir, cache, clocked=clocked)
        if found is not None:
            return found
    return None


def _find_with(
    parameters: Mapping[str, int], case: Case, rtl_dir: Path, cache: Path, *, clocked: bool
) -> tuple[Verdict, str] | None:
    """Return how a block with these parameters, compared on a case, finds the fault."""
    op = case.op
    try:
        block = load_op(op, case.formats, parameters, rtl_dir=rtl_dir, cache=cache)
    except BuildError as error:
        if "No space left" in str(error):
            raise
        return Verdict.REJECTED, str(error).splitlines()[0]
    runs = [(stimuli(op, case.formats, seed=0, budget=RANDOM_BEATS), UNSTALLED)]
    if clocked:
        runs.append((iter([sample(op, case.formats, seed=0, count=2048)]), STALLED))
    for chunks, stalls in runs:
        try:
            outcome = compare(case, block, chunks, seed=0, stalls=stalls)
        except ProtocolError as error:
            return Verdict.KILLED, str(error)
        if outcome.first:
            return Verdict.KILLED, outcome.first.line()
    return None


def rtl_digest(rtl_dir: Path) -> str:
    """Return a hash of all RTL: verdicts on other RTL do not count."""
    digest = hashlib.sha256()
    for path in sorted(rtl_dir.rglob("*.sv")):
        digest.update(path.relative_to(rtl_dir).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def run(
    *,
    count: int | None = DEFAULT_COUNT,
    seed: int = 0,
    file: str | None = None,
    console: Console | None = None,
    results: Path = RESULTS,
    cases: Sequence[Case] | None = None,
    rtl_dir: Path = RTL_DIR,
    equivalents: Path = EQUIVALENTS,
) -> int:
    """Try mutants and print the table; what was tried before on the same RTL is not tried again.

    Args:
        count: how many, spread over all files; None for every one there is.
        seed: of the choice.
        file: only files whose path contains this.
        console: where progress and the table go.
        results: folder of mutants.json, written after every mutant.
        cases: compare on these instead of those of CHEAP_CASES.
        rtl_dir: where the RTL is.
        equivalents: the list of mutants that change nothing.

    Returns:
        0 when nothing survived but what is listed, else 1; 1 too for an entry of the list that
        means no mutant, or one that was found.

    Raises:
        FormatError: no mutant is in a file with `file` in its path.
    """
    console = console or Console()
    cases = cheap_cases() if cases is None else cases
    generated = generate(cases, rtl_dir)
    if file is not None and not any(file in mutant.file for mutant in generated):
        known = ", ".join(sorted({mutant.file for mutant in generated}))
        raise FormatError(f"no file with mutants has {file!r} in its path; there are: {known}")
    pool = [mutant for mutant in generated if file is None or file in mutant.file]
    chosen = choose(pool, len(pool) if count is None else count, seed)
    known_equivalents = read_equivalents(equivalents)
    digest = rtl_digest(rtl_dir)
    tried = _read(results / "mutants.json", digest)
    # A survivor is tried again when there is something new to try it on.
    waiting = [
        mutant
        for mutant in chosen
        if mutant.id not in tried
        or (
            tried[mutant.id].verdict is Verdict.SURVIVED
            and tried[mutant.id] != survivor(mutant, cases_for(mutant.file, cases, rtl_dir))
        )
    ]
    console.print(
        f"mutate: {len(generated)} mutants, {len(chosen)} chosen (seed {seed}), "
        f"{len(chosen) - len(waiting)} tried before",
        highlight=False,
    )
    record = {**environment(["numpy"]), "rtl": digest, "seed": seed, "mutants": {}}
    with scratch_folder("mutate") as folder:
        copy, cache = folder / "rtl", folder / "cache"
        shutil.copytree(rtl_dir, copy)
        _copy_runtime(cache)
        began = time.monotonic()
        for index, mutant in enumerate(waiting):
            tried[mutant.id] = _try_in(copy, cache, mutant, cases, rtl_dir)
            record["mutants"] = {name: vars(result) for name, result in tried.items()}
            write_record(results / "mutants.json", record)
            elapsed, waits = time.monotonic() - began, len(waiting) - index - 1
            left = time_left(elapsed, done=index + 1, left=waits)
            verdict = tried[mutant.id].verdict
            console.print(
                f"{index + 1}/{len(waiting)} {time_text(left)} left  {verdict:<8}  "
                f"{mutant.describe()}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    return _report(console, generated, chosen, tried, known_equivalents)


def _try_in(copy: Path, cache: Path, mutant: Mutant, cases: Sequence[Case], rtl_dir: Path) -> Tried:
    """Make the change in the copy, try it, and take it back."""
    original = (rtl_dir / mutant.file).read_text(encoding="utf-8")
    (copy / mutant.file).write_text(mutant.apply(original), encoding="utf-8")
    try:
        return try_mutant(mutant, cases_for(mutant.file, cases, rtl_dir), copy, cache)
    finally:
        (copy / mutant.file).write_text(original, encoding="utf-8")
        for build in (cache / "verilated").glob("plena_*"):
            shutil.rmtree(build, ignore_errors=True)


def _copy_runtime(cache: Path) -> None:
    """Take Verilator's compiled runtime, which takes seconds to make, from the user's cache."""
    for folder in (cache_root() / "verilated").glob("runtime-*"):
        shutil.copytree(folder, cache / "verilated" / folder.name)


def _read(path: Path, digest: str) -> dict[str, Tried]:
    """Return the verdicts of an earlier run on the same RTL."""
    if not path.is_file():
        return {}
    record = json.loads(path.read_text(encoding="utf-8"))
    if record["rtl"] != digest:
        return {}
    return {
        name: Tried(verdict=Verdict(entry["verdict"]), by=entry["by"])
        for name, entry in record["mutants"].items()
    }


def _report(
    console: Console,
    generated: Sequence[Mutant],
    chosen: Sequence[Mutant],
    tried: Mapping[str, Tried],
    equivalents: Sequence[Equivalent],
) -> int:
    """Print the table, survivors and stale entries; return the exit status."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("file", no_wrap=True)
    for heading in ("made", "tried", "rejected", "killed", "survived", "listed"):
        table.add_column(heading, justify="right")
    listed = {m.id for m in chosen if any(entry.is_of(m) for entry in equivalents)}
    totals: Counter[str] = Counter()
    for file in sorted({mutant.file for mutant in generated}):
        of_file = [mutant for mutant in chosen if mutant.file == file]
        counts = Counter(tried[mutant.id].verdict for mutant in of_file)
        same = sum(m.id in listed and tried[m.id].verdict is Verdict.SURVIVED for m in of_file)
        row = {
            "made": sum(mutant.file == file for mutant in generated),
            "tried": len(of_file),
            "rejected": counts[Verdict.REJECTED],
            "killed": counts[Verdict.KILLED],
            "survived": counts[Verdict.SURVIVED] - same,
            "listed": same,
        }
        totals.update(row)
        table.add_row(file, *map(str, row.values()))
    table.add_section()
    table.add_row("all", *(str(totals[str(column.header)]) for column in table.columns[1:]))
    console.print(table, width=None if console.is_terminal else PLAIN_WIDTH)
    faults = [
        f"SURVIVED {mutant.describe()}"
        for mutant in chosen
        if tried[mutant.id].verdict is Verdict.SURVIVED and mutant.id not in listed
    ]
    faults += [
        f"STALE: listed as equivalent, but {tried[mutant.id].verdict} by {tried[mutant.id].by}: "
        f"{mutant.describe()}"
        for mutant in chosen
        if mutant.id in listed and tried[mutant.id].verdict is not Verdict.SURVIVED
    ]
    faults += [
        f"STALE: no mutant is {entry.file}: {entry.old}  =>  {entry.new}"
        for entry in equivalents
        if not any(entry.is_of(mutant) for mutant in generated)
    ]
    for fault in faults:
        console.print(fault, highlight=False, markup=False, soft_wrap=True)
    return 1 if faults else 0
