"""A Verilated block as a shared library: NumPy arrays in, NumPy arrays out, one call a batch."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plena_cosim.golden.formats import FormatError
from plena_cosim.golden.ops.op import EVERY_MODE
from plena_cosim.golden.ops.registry import Op, get_op
from plena_cosim.ground.errors import PlenaError

from ..verilate.model import PLAYER, BuildProfile, Model, build
from ..verilate.rtl_files import RTL_DIR
from ..verilate.toolchain import Toolchain
from .harness import SizedPort, input_ports, output_ports, player_files

CodeArray = npt.NDArray[Any]


class ProtocolError(PlenaError, RuntimeError):
    """A block broke the streaming contract."""


class Fault(Enum):
    """What a block can do wrong; the numbers are those of player.cpp."""

    HANG = 1, "makes no progress although inputs are offered and outputs taken"
    EXTRA = 2, "gives a result too many or before its input"
    UNSTABLE = 3, "changes the payload while the output is stalled"
    DROPPED = 4, "lets out_valid fall while the output is stalled"
    VALID_WAITS = 5, "makes out_valid or the payload depend on out_ready"
    VALID_IN_RESET = 6, "shows out_valid during reset"
    SLOW = 7, "takes longer than its localparams Interval (else 1) and Wait (else 0) say, unstalled"

    def __init__(self, number: int, words: str) -> None:
        self.number = number
        self.words = words


@dataclass(frozen=True, kw_only=True)
class Stalls:
    """When the player withholds inputs and refuses outputs; seeded, the same on every machine."""

    gaps: bool = False
    stalls: bool = False
    seed: int = 0


UNSTALLED = Stalls()


@dataclass(frozen=True, kw_only=True)
class Playback:
    """What came out of a block, and how long it took."""

    outputs: dict[str, CodeArray]
    cycles: int
    """From the first offered input to the last result."""
    latency: int
    """Cycles from the first input that has a result to that; 0 when there was none."""
    seconds: float


class _Stalls(ctypes.Structure):
    _fields_ = (
        ("seed", ctypes.c_uint64),
        ("gaps", ctypes.c_uint32),
        ("stalls", ctypes.c_uint32),
    )


class _Stats(ctypes.Structure):
    _fields_ = (
        ("cycles", ctypes.c_uint64),
        ("accepted", ctypes.c_uint64),
        ("produced", ctypes.c_uint64),
        ("first_result_cycle", ctypes.c_uint64),
        ("fault", ctypes.c_uint64),
        ("fault_beat", ctypes.c_uint64),
    )


@dataclass(frozen=True, kw_only=True)
class Block:
    """A built block; make one with `load_block`."""

    op: Op
    formats: Mapping[str, Any]
    inputs: tuple[SizedPort, ...]
    outputs: tuple[SizedPort, ...]
    latency: int
    """The module's localparam Latency."""
    library: ctypes.CDLL = field(repr=False)

    @property
    def label(self) -> str:
        """The module with its formats, for messages: plena_fp_mul[bf16]."""
        names = (str(getattr(given, "name", given)) for given in self.formats.values())
        return f"{self.op.module}[{', '.join(names)}]"

    def run(self, *, stalls: Stalls = UNSTALLED, **inputs: npt.ArrayLike) -> Any:
        """Push one beat a cycle through the block and return what comes out.

        Args:
            stalls: when to withhold inputs and refuse outputs; never by default.
            **inputs: codes by port name, `(n,)`, or `(n, lanes)` for ports with lanes.

        Returns:
            The codes of the one output `(n,)` or `(n, lanes)`, or a dict by port name where the
            block has several. Every call begins with a reset. A block that has no result for some
            beats (see `Op.result_when`) gives that many rows less.

        Raises:
            FormatError: wrong ports, shapes or dtypes, or codes wider than the format.
            ProtocolError: the block broke the streaming contract.

        >>> from plena_cosim import golden
        >>> mul = load_block("fp_mul", fmt=golden.get_format("bf16"))
        >>> mul.run(a=[0x3F80], b=[0x4000]).tolist()
        [16384]
        """
        outputs = self.play(inputs, stalls=stalls).outputs
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def play(
        self,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        stalls: Stalls = UNSTALLED,
        record: Path | None = None,
    ) -> Playback:
        """As `run`, with the cycle count.

        Args:
            inputs: codes of every input port by name, (beats,) or (beats, elements).
            stalls: where input gaps and output stalls fall.
            record: the file that a block built with TRACE (a waveform, VCD) or COVERAGE (counts,
                Verilator's .dat) writes.

        Returns:
            Codes of every output port, cycles, latency and seconds.

        Raises:
            FormatError: codes that do not fit the ports.
            ProtocolError: the block broke the streaming contract.
        """
        arrays = self._checked(inputs)
        count = len(arrays[0])
        named = {port.name: array for port, array in zip(self.inputs, arrays, strict=True)}
        beats = self.op.result_beats(named)
        results = len(beats)
        outputs = {port.name: np.zeros(port.shape(results), port.dtype) for port in self.outputs}
        how = _Stalls(stalls.seed, int(stalls.gaps), int(stalls.stalls))
        stats = _Stats()
        began = time.perf_counter()
        self.library.plena_run(
            str(record).encode() if record else None,
            _pointers(arrays),
            _pointers(list(outputs.values())),
            ctypes.c_uint64(count),
            ctypes.c_uint64(results),
            ctypes.c_uint64(beats[0] if results else 0),
            ctypes.byref(how),
            ctypes.byref(stats),
        )
        seconds = time.perf_counter() - began
        self._check(stats, results, stalls)
        return Playback(
            outputs=outputs, cycles=stats.cycles, latency=stats.first_result_cycle, seconds=seconds
        )

    def _check(self, stats: _Stats, results: int, stalls: Stalls) -> None:
        for fault in Fault:
            if stats.fault == fault.number:
                place = f"at result {stats.fault_beat} of {results}, {stalls}"
                raise ProtocolError(f"{self.label} {fault.words}: {place}")
        if results and stalls == UNSTALLED and stats.first_result_cycle != self.latency:
            raise ProtocolError(
                f"{self.label} has its first result after {stats.first_result_cycle} cycles; "
                f"its localparam Latency says {self.latency}"
            )

    def _checked(self, inputs: Mapping[str, npt.ArrayLike]) -> list[CodeArray]:
        names = [port.name for port in self.inputs]
        if set(inputs) != set(names):
            raise FormatError(
                f"{self.label} takes the inputs {', '.join(names)}; got "
                f"{', '.join(inputs) or 'none'}"
            )
        arrays = [check_codes(inputs[port.name], port, owner=self.label) for port in self.inputs]
        counts = [len(array) for array in arrays]
        if len(set(counts)) > 1:
            given = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
            raise FormatError(f"{self.label} needs as many beats on every input; got {given}")
        return arrays


def check_codes(given: npt.ArrayLike, port: SizedPort, *, owner: str) -> CodeArray:
    """Return `given` as contiguous codes of the port's dtype.

    Args:
        given: integers, (beats,) or (beats, elements) as the port has them.
        port: with its width in bits.
        owner: whose port it is, for messages.

    Raises:
        FormatError: not integers, a wrong shape, or a code that does not fit the port's width.
    """
    codes = np.asarray(given)
    if codes.dtype.kind not in "uib" and codes.size:
        raise FormatError(f"{owner}: {port.name} must be integer codes, got {codes.dtype}")
    if codes.shape[1:] != port.shape(0)[1:] or codes.ndim == 0:
        wanted = f"(n, {port.lanes})" if port.is_array else "(n,)"
        raise FormatError(f"{owner}: {port.name} must have shape {wanted}, got {codes.shape}")
    if codes.dtype != port.dtype or port.width_bits < 8 * np.dtype(port.dtype).itemsize:
        limit = 1 << port.width_bits
        if codes.size and (int(codes.max()) >= limit or int(codes.min()) < 0):
            index = np.unravel_index(np.argmax((codes < 0) | (codes >= limit)), codes.shape)
            raise FormatError(
                f"{owner}: {port.name}{[int(i) for i in index]} is {int(codes[index]):#x}, which "
                f"does not fit the format's {port.width_bits} bits"
            )
    return np.ascontiguousarray(codes, dtype=port.dtype)


def load_block(
    name: str,
    *,
    flavour: BuildProfile = PLAYER,
    rtl_dir: Path = RTL_DIR,
    toolchain: Toolchain | None = None,
    cache: Path | None = None,
    **formats_and_modes: Any,
) -> Block:
    """Return the RTL block of an op, built for the given formats (once per content) and loaded.

    Args:
        name: the op, as in the registry: "fp_mul".
        flavour: PLAYER, TRACE (can write waveforms) or COVERAGE; the others are slower.
        rtl_dir: where the RTL is.
        toolchain: Verilator and the compiler; looked for when None.
        cache: folder of the cache; the user's when None.
        **formats_and_modes: the op's format and size arguments, and `rounding`, `overflow` and
            `inverse` where it has them, as golden takes them: `fmt="bf16", rounding="rtz"`.

    Raises:
        FormatError: an unknown op, wrong format arguments, or a mode that gates do not have.
        BuildError, ToolchainError: see `build`.
    """
    op = get_op(name)
    modes = {key: value for key, value in formats_and_modes.items() if key in EVERY_MODE}
    formats = {key: value for key, value in formats_and_modes.items() if key not in EVERY_MODE}
    for mode in modes:
        if mode not in op.modes:
            raise FormatError(f"{name} has no {mode}; it takes {', '.join(op.arguments)}")
    formats = op.resolve(formats)
    parameters = op.sv_parameters(**formats, **modes)
    return load_op(
        op,
        formats,
        parameters,
        flavour=flavour,
        rtl_dir=rtl_dir,
        toolchain=toolchain,
        cache=cache,
    )


def load_op(
    op: Op,
    formats: Mapping[str, Any],
    parameters: Mapping[str, int],
    *,
    flavour: BuildProfile = PLAYER,
    rtl_dir: Path = RTL_DIR,
    toolchain: Toolchain | None = None,
    cache: Path | None = None,
) -> Block:
    """As `load_block`, for an op that need not be in the registry and with its parameters given.

    Args:
        op: what is built.
        formats: its arguments by name.
        parameters: of the top module, by name.
        flavour: how it is built.
        rtl_dir: where the RTL is; the project's own unless a test gives a changed copy.
        toolchain: Verilator and the compiler; those that are found when None.
        cache: folder of builds; the user's cache directory when None.

    Returns:
        The block, built and loaded.

    Raises:
        BuildError, ToolchainError: see `build`.
    """
    ordered = {key: formats[key] for key in op.arguments}
    inputs, outputs = input_ports(op, ordered), output_ports(op, ordered)
    model = Model(
        module=op.module,
        parameters=parameters,
        flavour=flavour,
        harness=player_files(op.module, inputs, outputs),
        rtl_dir=rtl_dir,
    )
    library = ctypes.CDLL(str(build(model, toolchain=toolchain, cache=cache)))
    library.plena_latency.restype = ctypes.c_uint64
    library.plena_run.restype = None
    return Block(
        op=op,
        formats=ordered,
        inputs=inputs,
        outputs=outputs,
        latency=library.plena_latency(),
        library=library,
    )


def _pointers(arrays: list[CodeArray]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
