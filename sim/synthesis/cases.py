"""What is synthesised: blocks in formats, beside the best open design in the same flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plena_cosim.golden import FormatError, get_format
from plena_cosim.golden.ops.op import Family
from plena_cosim.golden.ops.registry import OPS, Op, get_op

from ..cases.table import (
    argument_label,
    joined_labels,
    mode_labels,
    named_format,
    select_cases,
)


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """Another design's cost for the same job, measured with our flow.

    Attributes:
        ge: NAND2 equivalents.
        depth: gates on the longest path.
        design: whose it is.
    """

    ge: int
    depth: int
    design: str


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One block in one set of formats and modes.

    Attributes:
        op: the operation, whose module's flip-flops are counted.
        formats, modes: as in the regression's cases, with sizes among the formats.
        unit: measure gates and depth of the whole module, though there is a combinational core.
        part: measure this module instead, which the op's module consists of.
        stages: registers on the way through a module that has the parameter Stages; its default if
            None. Gates and depth are then the whole module's.
        slow: takes minutes; synthesised only when all are asked for.
        anchor: what the core is compared with.
    """

    op: Op
    formats: Mapping[str, Any]
    modes: Mapping[str, Any] = field(default_factory=dict)
    unit: bool = False
    part: str = ""
    stages: int | None = None
    slow: bool = False
    anchor: Anchor | None = None

    @property
    def whole(self) -> bool:
        """Whether gates and depth are those of the whole module."""
        return self.unit or self.stages is not None

    @property
    def module(self) -> str:
        """The module that is measured."""
        return self.part or self.op.module

    @property
    def parameters(self) -> dict[str, int]:
        """SystemVerilog parameters of the op's module and of its parts."""
        given = self.op.sv_parameters(**self.formats, **self.modes)
        if self.stages is not None:
            given |= {"Stages": self.stages}
        return given | {"Slots": tile_slots(self.formats)} if self.part else given

    @property
    def id(self) -> str:
        """Name of the configuration: block, formats, modes."""
        words = [*self._labels, *mode_labels(self.modes), *["unit"] * self.unit]
        words += [self.part.removeprefix("plena_mx_")] if self.part else []
        words += [f"stages{self.stages}"] if self.stages is not None else []
        return "-".join([self.op.name, *words])

    @property
    def fmt_text(self) -> str:
        """Formats and modes for tables."""
        words = [joined_labels(self.op, self._labels), *mode_labels(self.modes)]
        words += ["(whole unit)"] * self.unit
        words += [f"({self.stages} stages)"] if self.stages is not None else []
        return " ".join([*words, *([f"(`{self.part}`)"] if self.part else [])])

    @property
    def format_names(self) -> set[str]:
        """Names of its formats, for selection."""
        return {self.formats[argument].name for argument in self.op.formats}

    @property
    def _labels(self) -> list[str]:
        return [argument_label(name, given) for name, given in self.formats.items()]


def tile_slots(formats: Mapping[str, Any]) -> int:
    """Return how many lanes of a tile share a rounding path: `mx_tile_slots` of the RTL."""
    rows, columns, block = int(formats["rows"]), int(formats["cols"]), int(formats["a"].block_size)
    columns = min(columns, block)
    return columns * min(rows, block // columns)


HARDFLOAT, CVFPU, MX_FOR_FPGA = "HardFloat", "HardFloat / cvfpu, the better", "MX-for-FPGA"

_ADDERS = (
    ("e4m3", None),
    ("e6m5", Anchor(ge=1131, depth=75, design=HARDFLOAT)),
    ("bf16", Anchor(ge=1629, depth=84, design=HARDFLOAT)),
    ("fp16", Anchor(ge=1928, depth=88, design=HARDFLOAT)),
    ("fp32", None),
)
_MULTIPLIERS = (
    ("e2m1", None),
    ("e4m3", Anchor(ge=534, depth=50, design=CVFPU)),
    ("e6m5", Anchor(ge=1054, depth=64, design=CVFPU)),
    ("bf16", Anchor(ge=1594, depth=93, design=CVFPU)),
    ("fp16", Anchor(ge=2661, depth=108, design=CVFPU)),
    ("fp32", None),
)
_DOTS = (
    ("mxint8", Anchor(ge=38143, depth=94, design=MX_FOR_FPGA)),
    ("mxint4", Anchor(ge=9523, depth=70, design=MX_FOR_FPGA)),
    ("mxfp8_e4m3", Anchor(ge=39190, depth=137, design=MX_FOR_FPGA)),
    ("mxfp8_e5m2", Anchor(ge=54476, depth=190, design=MX_FOR_FPGA)),
    ("mxfp6_e3m2", Anchor(ge=21031, depth=97, design=MX_FOR_FPGA)),
    ("mxfp6_e2m3", Anchor(ge=17263, depth=85, design=MX_FOR_FPGA)),
    ("mxfp4_e2m1", Anchor(ge=8470, depth=69, design=MX_FOR_FPGA)),
)
_CASTS = (
    *(("fp32", dst) for dst in ("bf16", "e4m3", "e5m2", "q16.16")),
    *(("bf16", dst) for dst in ("e4m3", "e6m5", "q8.8")),
    ("e4m3", "bf16"),
)


def _configuration(
    name: str,
    *formats: Any,
    unit: bool = False,
    slow: bool = False,
    anchor: Anchor | None = None,
) -> Configuration:
    """Return a configuration from the op's name and its formats (or their names) in order."""
    op = get_op(name)
    specs = [named_format(fmt) if isinstance(fmt, str) else fmt for fmt in formats]
    by_argument = dict(zip(op.formats, specs, strict=True))
    return Configuration(op=op, formats=by_argument, unit=unit, slow=slow, anchor=anchor)


def _to_mx() -> list[Configuration]:
    bf16_int8 = Anchor(ge=15983, depth=108, design=MX_FOR_FPGA)
    return [
        _configuration("fp_to_mx", "bf16", "mxint8", anchor=bf16_int8),
        _configuration("fp_to_mx", "bf16", "mxint4"),
        _configuration("fp_to_mx", "bf16", "mxfp4_e2m1"),
        _configuration("fp_to_mx", "fp32", get_format("mxfp8_e4m3", block_size=8)),
    ]


def _dots() -> list[Configuration]:
    fours, eights = (
        [get_format(mx, block_size=size) for mx in ("mxint8", "mxint4", "mxfp8_e4m3", "mxfp4_e2m1")]
        for size in (4, 8)
    )
    return [
        *(_configuration("mx_dot", mx, mx, "fp32", slow=True, anchor=best) for mx, best in _DOTS),
        *(_configuration("mx_dot", mx, mx, "fp32") for mx in eights),
        *(_configuration("mx_dot", mx, mx, "fp32", unit=True) for mx in fours),
    ]


def _micro_dots() -> list[Configuration]:
    eights = [named_format(mx, block_size=8) for mx in ("mx9", "mx6", "mx4")]
    return [
        *(_configuration("micro_dot", mx, mx, "fp32", slow=True) for mx in ("mx9", "mx6", "mx4")),
        *(_configuration("micro_dot", mx, mx, "fp32") for mx in eights),
    ]


TILE_PARTS = ("plena_mx_lanes", "plena_mx_hold", "plena_mx_path")


def _tiles() -> list[Configuration]:
    """Return tiles of one rounding path, what they consist of, and both with a register more."""
    op, built = get_op("mx_tile"), []
    for name in ("mxint8", "mxint4", "mxfp8_e4m3", "mxfp4_e2m1"):
        mx = get_format(name)
        formats = {"a": mx, "b": mx, "acc": get_format("fp32"), "v": get_format("bf16")}
        formats |= {"rows": 8, "cols": 4}
        built.append(Configuration(op=op, formats=formats, slow=True))
        built += [Configuration(op=op, formats=formats, part=part) for part in TILE_PARTS]
        built.append(Configuration(op=op, formats=formats, stages=2, slow=True))
        built.append(Configuration(op=op, formats=formats, stages=2, part="plena_mx_path"))
    return built


def _arithmetic(name: str, formats: Sequence[tuple[str, Anchor | None]]) -> list[Configuration]:
    """Return a core in its formats, and the whole block with a register more."""
    bf16 = {"fmt": get_format("bf16")}
    return [
        *(_configuration(name, fmt, anchor=best) for fmt, best in formats),
        Configuration(op=get_op(name), formats=bf16, stages=2),
    ]


_BUILDERS = {
    "fp_add": lambda: _arithmetic("fp_add", _ADDERS),
    "fp_mul": lambda: _arithmetic("fp_mul", _MULTIPLIERS),
    "fp_cast": lambda: [_configuration("fp_cast", *pair) for pair in _CASTS],
    "fp_to_mx": _to_mx,
    "mx_to_fp": lambda: [
        _configuration("mx_to_fp", mx, "bf16") for mx in ("mxint8", "mxint4", "mxfp4_e2m1")
    ],
    "mx_dot": _dots,
    "fp_to_micro": lambda: [
        _configuration("fp_to_micro", "bf16", mx) for mx in ("mx9", "mx6", "mx4")
    ],
    "micro_dot": _micro_dots,
    "mx_tile": _tiles,
}


_OF_MANY_BLOCKS = (Family.MATRIX, Family.ACTIVATION, Family.ROW, Family.ATTENTION)
"""Tiles and composite operations hold many of the other blocks: minutes each."""


def all_configurations() -> list[Configuration]:
    """Return the whole table, op by op; an op without a list of its own gets a default one."""
    return [configuration for name in OPS for configuration in _configurations_of(name)]


def _configurations_of(name: str) -> list[Configuration]:
    if name in _BUILDERS:
        return _BUILDERS[name]()
    # The formats that also go through the cocotb bench: few, and small enough to wait for.
    slow = get_op(name).family in _OF_MANY_BLOCKS
    return [
        Configuration(op=case.op, formats=case.formats, modes=case.modes, slow=slow)
        for case in select_cases(name)
        if case.bench
    ]


def select_configurations(
    block: str | None = None, fmt: str | None = None, *, slow: bool = False
) -> list[Configuration]:
    """Return the configurations of one block and with one format; None means all.

    Slow ones are left out unless `slow` is set. A format that the table does not have for a block
    of one format makes a configuration of its own.

    Args:
        block: an op, e.g. "fp_mul".
        fmt: a format, e.g. "bf16".
        slow: those that take minutes, too.

    Raises:
        FormatError: an unknown block or format, or one that the table has no configuration for.
    """
    known = _configurations_of(get_op(block).name) if block else all_configurations()
    wanted = named_format(fmt).name if fmt else None
    with_format = [entry for entry in known if wanted is None or wanted in entry.format_names]
    if not with_format and block and wanted and len(get_op(block).arguments) == 1:
        return [_configuration(block, wanted)]
    chosen = [entry for entry in with_format if slow or not entry.slow]
    if not chosen:
        names = sorted({name for entry in known for name in entry.format_names})
        hint = "only slow ones, add --all" if with_format else f"there are: {', '.join(names)}"
        raise FormatError(
            f"nothing to synthesise for {block or 'any block'} with the format {wanted!r}; {hint}"
        )
    return chosen
