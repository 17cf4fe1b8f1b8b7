"""What a block costs in gates: pyosys run on its sources, once per content."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from plena_cosim.ground.cache import cache_root
from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.lifeline import lifeline, tied
from plena_cosim.ground.scratch_folder import scratch_folder

from ..verilate.cache import build_once
from ..verilate.rtl_files import RTL_DIR, needed_sources, without_spaces
from ..verilate.sv_literal import sv_literal
from .cases import Configuration

FLOW = ("synth -flatten", "abc -g cmos2", "opt_clean", "stat -tech cmos", "ltp -noff")
"""After read_slang: gates and depth. The flow that the anchors were measured with."""
FLIP_FLOP_FLOW = ("synth -flatten -noabc", "stat")
TRANSISTORS_PER_GE = 4
"""Of a NAND2."""

# A process of its own: Yosys keeps global state, and a crash of it must not be ours.
_PROGRAM = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for command in sys.argv[1:]:
    ys.run_pass(command, design)
"""
_TRANSISTORS = re.compile(r"Estimated number of transistors:\s+(\d+)")
_LENGTH = re.compile(r"Longest topological path in .* \(length=(\d+)\)")
_FLIP_FLOPS = re.compile(r"^\s+(\d+)\s+\$_\w*DFF\w*_\s*$", re.MULTILINE)
_PARAMETER = re.compile(r"^\s*parameter\s[^=;]*?(\w+)\s*=", re.MULTILINE)


class SynthError(PlenaError, RuntimeError):
    """A block could not be synthesised, or its cost not be compared."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a block costs.

    Attributes:
        ge: NAND2 equivalents of the combinational gates: transistors / 4.
        depth: gates on the longest path.
        ff: flip-flops of the whole module.
    """

    ge: float
    depth: int
    ff: int


def pyosys_version() -> str:
    """Return the version of pyosys; SynthError with the remedy where there is none."""
    try:
        return importlib.metadata.version("pyosys")
    except importlib.metadata.PackageNotFoundError:
        raise SynthError(
            "synthesis needs pyosys, which is not installed: pip install 'plena-cosim[synth]'"
        ) from None


def parse_gates(log: str) -> tuple[float, int]:
    """Return GE and depth from what `stat -tech cmos` and `ltp -noff` wrote.

    >>> parse_gates(
    ...     "Estimated number of transistors:       5270+\\n"
    ...     "Longest topological path in plena_fp_mul (length=88):\\n"
    ... )
    (1317.5, 88)
    """
    transistors, length = _TRANSISTORS.findall(log), _LENGTH.findall(log)
    if not transistors or not length:
        missing = "transistor count (stat -tech cmos)" if not transistors else "path length (ltp)"
        raise SynthError(f"Yosys printed no {missing}; its last words: {last_words(log)}")
    return int(transistors[-1]) / TRANSISTORS_PER_GE, int(length[-1])


def parse_flip_flops(log: str) -> int:
    """Return the number of flip-flops from what `stat` wrote last (`synth` ends with one, too).

    >>> parse_flip_flops("     1458 cells\\n       17   $_DFFE_PN0P_\\n      639   $_NAND_\\n")
    17
    """
    last = log.rpartition("Printing statistics")[2]
    return sum(map(int, _FLIP_FLOPS.findall(last)))


def has_core(configuration: Configuration, rtl_dir: Path = RTL_DIR) -> bool:
    """Whether gates and depth are those of a combinational core, not of the whole module."""
    found = any(rtl_dir.rglob(f"{configuration.module}_core.sv"))
    return found and not configuration.whole


async def cost_of(
    configuration: Configuration, *, rtl_dir: Path = RTL_DIR, cache: Path | None = None
) -> Cost:
    """Synthesise one configuration, or return what was found for the same content before.

    The key of the cache is a hash of sources, parameters, flow and version of pyosys.

    Args:
        configuration: what to synthesise.
        rtl_dir: the RTL.
        cache: folder of the cache; the user's when None.

    Raises:
        SynthError: no pyosys, or Yosys refused (with its last words).
    """
    module, parameters = configuration.module, configuration.parameters
    sources = needed_sources(module, rtl_dir)
    measured = f"{module}_core" if has_core(configuration, rtl_dir) else module
    text = repr(
        (
            *(measured, sorted(parameters.items()), FLOW, FLIP_FLOP_FLOW, pyosys_version()),
            *((path.name, path.read_text(encoding="utf-8")) for path in sources),
        )
    )
    key = f"{configuration.id}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"
    root = (cache or cache_root()) / "synthesised"
    record = root / key / "cost.json"
    if not record.is_file():
        gates = await _yosys(measured, parameters, rtl_dir, FLOW)
        ge, depth = parse_gates(gates)
        registers = gates if measured == module else None
        if registers is None:
            registers = await _yosys(module, parameters, rtl_dir, FLIP_FLOP_FLOW)
        cost = Cost(ge=ge, depth=depth, ff=parse_flip_flops(registers))

        def write(scratch: Path) -> None:
            (scratch / record.name).write_text(json.dumps(asdict(cost)), encoding="utf-8")

        build_once(key, write, root=root, what=f"{configuration.id} (synthesis)")
    return Cost(**json.loads(record.read_text(encoding="utf-8")))


async def _yosys(
    top: str, parameters: Mapping[str, int], rtl_dir: Path, flow: tuple[str, ...]
) -> str:
    """Return what Yosys wrote about `top`, which takes those of the parameters that it has."""
    # Yosys leaves its files behind when it is killed.
    with scratch_folder("synth") as scratch:
        read = read_command(top, parameters, rtl_dir=rtl_dir, scratch=scratch)
        status, log = await output_of([sys.executable, "-c", _PROGRAM, read, *flow], scratch)
    if status != 0:
        raise yosys_error(top, read, log)
    return log


def read_command(top: str, parameters: Mapping[str, int], *, rtl_dir: Path, scratch: Path) -> str:
    """Return the Yosys command that reads a module and what it needs.

    Args:
        top: the module.
        parameters: values, of which it takes those that it has.
        rtl_dir: the RTL.
        scratch: folder for links to files whose names Yosys cannot take.
    """
    sources = needed_sources(top, rtl_dir)
    taken = set(_PARAMETER.findall(sources[-1].read_text(encoding="utf-8")))
    given = [f"-G {key}={sv_literal(value)}" for key, value in parameters.items() if key in taken]
    files = without_spaces(sources, scratch)
    return " ".join(["read_slang", "--top", top, *given, *map(str, files)])


async def output_of(command: Sequence[str], scratch: Path) -> tuple[int | None, str]:
    """Run a tool that ends with us; return its exit status and all that it wrote.

    Args:
        command: the tool and its arguments.
        scratch: where it runs, and where its temporary files go.
    """
    with lifeline() as stdin:
        process = await asyncio.create_subprocess_exec(
            *tied(command),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=scratch,
            env={**os.environ, "TMPDIR": str(scratch)},
            start_new_session=True,
        )
        try:
            output, _ = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
    return process.returncode, output.decode(errors="replace")


def yosys_error(top: str, read: str, log: str) -> SynthError:
    """Return the error for a module that Yosys refuses.

    Args:
        top: the module.
        read: the command that reads it, with its parameters.
        log: what Yosys wrote.
    """
    given = " ".join(re.findall(r"-G \S+", read))
    return SynthError(f"Yosys failed on {top} ({given}): {last_words(log)}")


def last_words(log: str) -> str:
    """Return the last lines of a log that speak of an error, or else its last lines."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return " | ".join((errors or lines)[-3:]) or "nothing"
