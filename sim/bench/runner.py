"""Run the cocotb bench on one case through cocotb-test, with a model from our build cache."""

from __future__ import annotations

import logging
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cocotb
from cocotb_test.simulator import Verilator

from plena_cosim.golden.ops.registry import Op
from plena_cosim.ground.errors import PlenaError
from plena_cosim.ground.scratch_folder import scratch_folder

from ..cases.table import Case
from ..player.harness import SizedPort, input_ports, output_ports
from ..stimuli.stimuli import Beats, sample
from ..verilate.model import BuildProfile, Model, build
from ..verilate.rtl_files import RTL_DIR
from .plan import PLAN_VARIABLE, Plan, pack_beats

BEATS = 256
COCOTB = Path(cocotb.__file__).parent
HANDSHAKE = ("clk_i", "rst_ni", "in_valid_i", "in_ready_o", "out_valid_o", "out_ready_i")


class BenchError(PlenaError, AssertionError):
    """The bench went red; the message has one line for each scenario that failed."""


@dataclass(frozen=True, kw_only=True)
class BenchOutcome:
    """What a green bench did."""

    scenarios: tuple[str, ...]
    vectors: int
    seconds: float


class _Prebuilt(Verilator):  # type: ignore[misc]
    """cocotb-test's Verilator, with a model that our build cache made."""

    def __init__(self, executable: Path, **options: Any) -> None:
        super().__init__(**options)
        self.executable = executable

    def build_command(self) -> list[list[str]]:
        """Return the commands to run: only the model itself."""
        return [[str(self.executable), "+verilator+rand+reset+2"]]


def bench_model(op: Op, parameters: dict[str, int], ports: list[SizedPort], rtl_dir: Path) -> Model:
    """Return the model that cocotb drives: VPI sees the top's ports and nothing else.

    `--public-flat-rw` on the whole design would cost most of the speed.

    Args:
        op: what is driven.
        parameters: of the top module, by name.
        ports: its ports with their sizes.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.
    """
    libraries = COCOTB / "libs"
    flavour = BuildProfile(
        name="cocotb",
        verilator=("--vpi", "--x-assign", "unique", "--x-initial", "unique"),
        runtime=("verilated", "verilated_threads", "verilated_vpi"),
        link=(),
        product="bench",
        optimise=("-O0",),
        public=(*HANDSHAKE, *(port.sv_name for port in ports)),
    )
    main = (COCOTB / "share" / "lib" / "verilator" / "verilator.cpp").read_text(encoding="utf-8")
    return Model(
        module=op.module,
        parameters=parameters,
        flavour=flavour,
        harness={"main.cpp": main},
        link=(f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator"),
        rtl_dir=rtl_dir,
    )


def run_bench(case: Case, *, seed: int, rtl_dir: Path = RTL_DIR) -> BenchOutcome:
    """Run every scenario of the bench on one case.

    Args:
        case: of the regression's table.
        seed: of the beats, gaps and stalls.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.

    Returns:
        The scenarios that ran, vectors and seconds.

    Raises:
        BenchError: a scenario failed: which ones and why.
    """
    beats = sample(case.op, case.formats, seed=seed, count=BEATS)
    golden = case.op.run_golden(beats, **case.formats, **case.modes)
    parameters = case.op.sv_parameters(**case.formats, **case.modes)
    return run_bench_on(
        case.op, case.formats, parameters, beats, golden, seed=seed, label=case.id, rtl_dir=rtl_dir
    )


def run_bench_on(
    op: Op,
    formats: Any,
    parameters: dict[str, int],
    beats: Beats,
    golden: Beats,
    *,
    seed: int,
    label: str,
    rtl_dir: Path = RTL_DIR,
) -> BenchOutcome:
    """As `run_bench`, with beats and expected results given.

    Args:
        op: what is driven.
        formats: its arguments by name.
        parameters: of the top module, by name.
        beats: codes of every input port, (beats, …).
        golden: codes of every output port, in the same form.
        seed: of gaps and stalls.
        label: the case in words, for messages.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.

    Returns:
        The scenarios that ran, vectors and seconds.

    Raises:
        BenchError: a scenario failed: which ones and why.
    """
    inputs, outputs = input_ports(op, formats), output_ports(op, formats)
    executable = build(bench_model(op, parameters, [*inputs, *outputs], rtl_dir))
    plan = Plan(
        label=label,
        seed=seed,
        inputs=pack_beats(inputs, beats),
        results=pack_beats(outputs, golden),
        result_beats=tuple(op.result_beats(beats).tolist()),
    )
    began = time.perf_counter()
    with scratch_folder("bench") as folder:
        plan.write(folder / "plan.json")
        scenarios = _simulate(op.module, executable, folder, seed)
    return BenchOutcome(
        scenarios=scenarios,
        vectors=len(plan.inputs) * len(scenarios),
        seconds=time.perf_counter() - began,
    )


def _simulate(module: str, executable: Path, folder: Path, seed: int) -> tuple[str, ...]:
    """Run the model with the cocotb tests and read the results; returns the scenarios' names."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    logger = logging.getLogger("cocotb")
    log = _Lines()
    logger.addHandler(log)
    try:
        simulator = _Prebuilt(
            executable,
            toplevel=module,
            module="plena_cosim.sim.bench.block_bench",
            sim_build=str(folder),
            seed=seed,
            extra_env={
                PLAN_VARIABLE: str(folder / "plan.json"),
                "COCOTB_TRUST_INERTIAL_WRITES": "1",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            },
        )
        for number, handler in handlers.items():
            signal.signal(number, handler)
        logger.propagate = False
        return _scenarios(Path(simulator.run()))
    except SystemExit as failure:
        raise BenchError(_failures(module, folder, log.lines, str(failure))) from None
    finally:
        logger.propagate = True
        logger.removeHandler(log)


class _Lines(logging.Handler):
    """Keeps what the simulator said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(record.getMessage())


def _scenarios(results: Path) -> tuple[str, ...]:
    return tuple(str(test.get("name")) for test in ElementTree.parse(results).iter("testcase"))


def _failures(module: str, folder: Path, log: list[str], otherwise: str) -> str:
    """Return one line a failed scenario, from the results file or, without one, the log."""
    for results in folder.glob("*_results.xml"):
        if not results.stat().st_size:
            continue
        lines = [
            f"{module} {test.get('name')}: {_reason(failure)}"
            for test in ElementTree.parse(results).iter("testcase")
            for failure in [*test.iter("failure"), *test.iter("error")]
        ]
        if lines:
            return "\n".join(lines)
    return f"{module}: {otherwise}\n" + "\n".join(log[-20:])


def _reason(failure: ElementTree.Element) -> str:
    words = failure.get("message") or failure.get("error_msg") or failure.text or "no reason given"
    return re.sub(r"\s+", " ", words).strip()[:500]
