"""The regression's table: which block runs in which formats, with how many random beats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from plena_cosim.golden import (
    FORMATS,
    FixedPoint,
    FormatError,
    Minifloat,
    Rounding,
    ScaleRule,
    get_format,
)
from plena_cosim.golden.blocks.formats import BLOCK_FORMATS, MicroMx, get_block_format
from plena_cosim.golden.hadamard_sizes import hadamard_order
from plena_cosim.golden.ops.op import Family
from plena_cosim.golden.ops.registry import OPS, Op, get_op
from plena_cosim.ground.did_you_mean import did_you_mean

from ..stimuli.stimuli import input_count, inputs_word

BUDGETS = {
    "all": 0,
    "corners+random": 1_500_000,
    "blocks": 32_768,
    "vectors": 16_384,
    "slices": 16_384,
}
"""Random beats, by how the inputs are chosen."""
USUAL_SUMS = 256
"""Sums of lanes up to which a beat is no more work for golden than others."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One block in one set of formats and modes."""

    op: Op
    formats: Mapping[str, Any]
    """Formats and sizes by argument."""
    modes: Mapping[str, Any] = field(default_factory=dict)
    bench: bool = False
    """Also run through the cocotb bench."""

    @property
    def id(self) -> str:
        """Name of the case: block, formats, modes, and how its inputs are chosen."""
        chosen = inputs_word(self.op, self.formats)
        return "-".join([self.op.name, *self.labels, *mode_labels(self.modes), chosen])

    @property
    def labels(self) -> list[str]:
        """Formats by name, sizes as name and number."""
        return [argument_label(name, given) for name, given in self.formats.items()]

    @property
    def budget(self) -> int:
        """Random beats."""
        return BUDGETS[inputs_word(self.op, self.formats)] // self.weight

    @property
    def weight(self) -> int:
        """How many times the work of other beats golden has with one.

        A sum of all K lanes for each row of a matrix of order K, in every transform.
        """
        size = self.formats.get("block", 1)
        sums = (hadamard_order(size) or 1) * self.formats["lanes"] if size > 1 else 1
        return -(-sums // USUAL_SUMS)

    @property
    def beats(self) -> int:
        """Beats of an unstalled run, about."""
        return input_count(self.op, self.formats) or self.budget

    @property
    def fmt_text(self) -> str:
        """Formats and modes for tables."""
        return " ".join([joined_labels(self.op, self.labels), *mode_labels(self.modes)])


def joined_labels(op: Op, labels: Sequence[str]) -> str:
    """Return the labels of an op's arguments for tables; an arrow where it converts."""
    converts = op.family in (Family.CAST, Family.QUANTISE, Family.DEQUANTISE)
    return (" → " if converts else " × ").join(labels)


def argument_label(name: str, given: Any) -> str:
    """Return the label of one argument: a format's name, or a size with its name (lanes8)."""
    return f"{name}{given}" if isinstance(given, int) else format_label(given)


def mode_labels(modes: Mapping[str, Any]) -> list[str]:
    """Return the labels of modes: their values; of what is switched on its name (inverse)."""
    return [name if given is True else given for name, given in modes.items() if given is not False]


def format_label(fmt: Any) -> str:
    """Return a format's name with whatever differs from that name's defaults."""
    if isinstance(fmt, FixedPoint):
        return fmt.name + ("wrap" if fmt.wrap else "")
    if isinstance(fmt, Minifloat):
        return fmt.name + (f".bias{fmt.bias}" if fmt.bias != get_format(fmt.name).bias else "")
    parts = [fmt.name]
    if fmt.block_size != 32:
        parts.append(f"b{fmt.block_size}")
    if isinstance(fmt, MicroMx):
        named = BLOCK_FORMATS.get(fmt.name, fmt)
        if replace(named, block_size=fmt.block_size) != fmt:
            parts.append(f"w{fmt.element_bits}")
        return ".".join(parts)
    if fmt.scale_bits != 8:
        parts.append(f"s{fmt.scale_bits}")
    if fmt.scale_rule is not ScaleRule.FLOOR:
        parts.append(ScaleRule(fmt.scale_rule).value)
    if not fmt.symmetric:
        parts.append("full")
    if fmt.rounding is not Rounding.RNE:
        parts.append(Rounding(fmt.rounding).value)
    return ".".join(parts)


def _case(name: str, *formats: str, bench: bool = False, **sizes_and_modes: Any) -> Case:
    """Return a case from words: the op, its formats in order, sizes and modes."""
    op = get_op(name)
    arguments: dict[str, Any] = dict(zip(op.formats, map(_spec, formats), strict=True))
    arguments |= {size: sizes_and_modes.pop(size) for size in op.sizes}
    return Case(op=op, formats=op.resolve(arguments), modes=sizes_and_modes, bench=bench)


def _spec(text: str) -> Any:
    """Return the format of `name,key=value,…`."""
    name, *fields = text.split(",")
    overrides: dict[str, Any] = {}
    for entry in fields:
        key, _, value = entry.partition("=")
        overrides[key] = {"true": True, "false": False}.get(
            value, int(value) if value.lstrip("-").isdigit() else value
        )
    return named_format(name, **overrides)


def named_format(name: str, **fields: Any) -> Any:
    """Return the format of a name that `get_format` or `get_block_format` knows.

    Args:
        name: e.g. "bf16", "mxint4", "mx9".
        **fields: of the format, to be replaced.

    Raises:
        FormatError: an unknown name, field or value.
    """
    return (get_block_format if name.lower() in BLOCK_FORMATS else get_format)(name, **fields)


def _named(width_bits: int) -> list[str]:
    """Return the names of the registry's minifloats of at most this width, but for `fnuz`.

    Those differ in their specials alone; ops have cases of one or two of them.
    """
    named = (fmt for fmt in FORMATS.values() if isinstance(fmt, Minifloat))
    return [f.name for f in named if f.width_bits <= width_bits and f.has_negative_zero]


def _binary_cases(name: str, every_pair_bits: int = 8) -> list[Case]:
    """Cases of an op with two operands; every pair of the formats up to so many bits."""
    return [
        *(_case(name, fmt, bench=fmt == "e4m3") for fmt in reversed(_named(every_pair_bits))),
        *(_case(name, fmt, bench=fmt == "bf16") for fmt in ("bf16", "fp16", "fp32")),
        _case(name, "e1m3,bias=4", rounding="rup"),
        _case(name, "e2m1,bias=-20"),
        *(_case(name, "e5m2", rounding=mode) for mode in ("rna", "rtz", "rup", "rdown")),
        *(_case(name, fmt, overflow="ieee") for fmt in ("e2m1", "e4m3", "e5m2", "bf16")),
        _case(name, "e4m3", rounding="rdown", overflow="ieee"),
        _case(name, "e5m2", rounding="rup", overflow="ieee"),
        _case(name, "fp32", rounding="rtz", overflow="ieee"),
        _case(name, "fp32", rounding="rna"),
        _case(name, "e4m3fnuz"),
        _case(name, "e5m2fnuz", rounding="rdown", overflow="ieee"),
    ]


def _unary_cases(name: str) -> list[Case]:
    """Formats of up to 16 bits, so that every case tries all inputs."""
    return [
        *(_case(name, fmt, bench=fmt in ("e4m3", "bf16")) for fmt in _named(16)),
        *(_case(name, "e5m6", rounding=mode) for mode in ("rna", "rtz", "rup", "rdown")),
        *(_case(name, fmt, overflow="ieee") for fmt in ("e2m1", "e4m3")),
        _case(name, "bf16", rounding="rup", overflow="ieee"),
        _case(name, "e5m2", rounding="rdown", overflow="ieee"),
        *(
            _case(name, fmt)
            for fmt in ("e4m3,bias=0", "e4m3,bias=-20", "e5m2,bias=40", "e1m6,bias=5")
        ),
        _case(name, "e4m3fnuz"),
        _case(name, "e4m3b11fnuz", overflow="ieee"),
    ]


def _sigmoid_cases() -> list[Case]:
    # So many fraction bits that the last digit of the tables counts.
    return [*_unary_cases("fp_sigmoid"), _case("fp_sigmoid", "e2m13")]


_CASTS = (
    *(("fp32", dst) for dst in ("bf16", "fp16", "e6m5", "e4m3", "e5m2", "e2m1", "e3m2", "q16.16")),
    *(("bf16", dst) for dst in ("fp32", "fp16", "e6m5", "e4m3", "e2m1", "e3m4", "q2.6")),
    *(("fp16", dst) for dst in ("bf16", "e5m2", "e2m3", "fp32")),
    *(("e6m5", dst) for dst in ("bf16", "e5m6", "e4m7")),
    *(("e4m3", dst) for dst in ("bf16", "e5m2", "fp32")),
    *(("e5m2", dst) for dst in ("e4m3", "e2m1")),
    ("e2m1", "bf16"),
    *(("q16.16", dst) for dst in ("bf16", "fp32", "e4m3", "q8.8", "q8.8,wrap=true")),
    ("q2.6", "bf16"),
    ("bf16", "q8.8,wrap=true"),
    *(("fp32", "e4m3fnuz"), ("e4m3fnuz", "bf16"), ("e5m2", "e4m3b11fnuz"), ("q2.6", "e5m2fnuz")),
)


def _cast_cases(name: str) -> list[Case]:
    bench = {("fp32", "e4m3"), ("q16.16", "bf16")}
    return [
        *(_case(name, *pair, bench=pair in bench) for pair in _CASTS),
        *(_case(name, "bf16", "e4m3", rounding=m) for m in ("rna", "rtz", "rup", "rdown")),
        *(_case(name, "fp32", dst, overflow="ieee") for dst in ("bf16", "e4m3", "e2m1")),
        _case(name, "bf16", "e5m2", rounding="rup", overflow="ieee"),
        _case(name, "fp16", "e4m3", rounding="rdown", overflow="ieee"),
        _case(name, "fp32", "q16.16", rounding="rdown"),
        _case(name, "bf16", "e5m2fnuz", rounding="rup", overflow="ieee"),
        _case(name, "e4m3fnuz", "e2m1"),
    ]


def _to_mx_cases() -> list[Case]:
    rules = [rule.value for rule in ScaleRule]
    return [
        _case("fp_to_mx", "bf16", "mxint8,block_size=8", bench=True),
        *(_case("fp_to_mx", "bf16", f"mxint4,scale_rule={rule}") for rule in rules),
        *(_case("fp_to_mx", "fp32", f"mxint8,scale_rule={rule}") for rule in rules),
        *(_case("fp_to_mx", "bf16", f"mxfp4_e2m1,scale_rule={rule}") for rule in rules),
        *(_case("fp_to_mx", "fp32", f"mxfp8_e4m3,scale_rule={rule}") for rule in rules),
        _case("fp_to_mx", "bf16", "mxfp8_e5m2,block_size=16", bench=True),
        _case("fp_to_mx", "fp32", "mxfp6_e3m2"),
        _case("fp_to_mx", "bf16", "mxfp6_e2m3,scale_rule=even"),
        _case("fp_to_mx", "fp16", "mxint6,scale_bits=5"),
        _case("fp_to_mx", "bf16", "mxint4,scale_bits=4,block_size=16"),
        _case("fp_to_mx", "bf16", "mxint8,symmetric=false,scale_rule=mase"),
        _case("fp_to_mx", "fp32", "mxint16,block_size=4"),
        _case("fp_to_mx", "bf16", "mxint2,block_size=1"),
        _case("fp_to_mx", "bf16", "mxfp4_e2m1,rounding=rtz"),
        _case("fp_to_mx", "e6m5", "mxint4"),
        _case("fp_to_mx", "bf16", "mxint4,block_size=7"),
        *(
            _case("fp_to_mx", src, "mxfp8_e4m3,block_size=4,scale_rule=rceil")
            for src in ("e4m3", "e5m2")
        ),
        *(
            _case("fp_to_mx", *pair)
            for pair in (
                ("e5m2", "mxint4,block_size=4,scale_rule=clip,scale_bits=4"),  # below 4 bits
                ("e4m3", "mxint4,block_size=4,scale_rule=clip,symmetric=false,scale_bits=3"),
                ("e4m1", "mxint4,block_size=4,scale_rule=clip,scale_bits=3"),
                ("fp16", "mxint4,block_size=7,scale_rule=clip,scale_bits=4"),
                ("bf16", "mxfp8_e4m3fnuz,block_size=8,scale_rule=even"),
                ("bf16", "mxint8,block_size=4,scale_rule=even"),  # too few bits: as `floor`
                ("fp16", "mxint8,block_size=4,scale_rule=even,scale_bits=4"),
                ("e5m10fnuz", "mxfp8_e5m2fnuz,block_size=4,scale_bits=4"),
            )
        ),
    ]


def _from_mx_cases() -> list[Case]:
    return [
        *(_case("mx_to_fp", mx, "bf16") for mx in ("mxint4", "mxfp4_e2m1", "mxfp8_e5m2")),
        *(_case("mx_to_fp", mx, "fp32") for mx in ("mxint8", "mxfp8_e4m3", "mxfp6_e3m2")),
        _case("mx_to_fp", "mxint8,block_size=8", "bf16", bench=True),
        _case("mx_to_fp", "mxfp8_e4m3,block_size=16", "fp16"),
        _case("mx_to_fp", "mxint6,scale_bits=5", "e6m5"),
        _case("mx_to_fp", "mxint4,block_size=4,scale_bits=5", "e5m2,bias=14"),
        _case("mx_to_fp", "mxint16,block_size=4", "bf16", overflow="ieee"),
        _case("mx_to_fp", "mxfp4_e2m1,block_size=16", "fp16", overflow="ieee"),
        _case("mx_to_fp", "mxint8,block_size=16", "e4m3", rounding="rtz"),
        _case("mx_to_fp", "mxfp8_e4m3fnuz,block_size=8", "e5m2fnuz", overflow="ieee"),
    ]


def _requantize_cases() -> list[Case]:
    pairs = (
        *(("mxint8", "mxint4"), ("mxint8", "mxfp4_e2m1"), ("mxfp8_e4m3", "mxfp4_e2m1")),
        *(("mxfp8_e5m2", "mxint8"), ("mxfp4_e2m1", "mxint8"), ("mxint4", "mxfp6_e3m2")),
    )
    return [
        *(_case("mx_requantize", *pair) for pair in pairs),
        _case("mx_requantize", "mxint8,block_size=8", "mxint4,block_size=8", bench=True),
        _case("mx_requantize", "mxfp8_e4m3,block_size=4", "mxint4,block_size=4,scale_rule=rceil"),
        _case("mx_requantize", "mxint8,block_size=4", "mxint6,block_size=4,scale_bits=5"),
        *(
            _case("mx_requantize", f"{src},block_size=4", f"mxint4,block_size=4,{dst}")
            for src, dst in (
                ("mxint8", "scale_rule=clip"),
                ("mxfp4_e2m1", "scale_rule=clip"),
                ("mxint3", "scale_rule=clip,scale_bits=5"),
            )
        ),
        _case(
            "mx_requantize", "mxfp8_e5m2,block_size=3", "mxfp6_e2m3,block_size=3,scale_rule=even"
        ),
        _case("mx_requantize", "mxfp8_e4m3fnuz,block_size=4", "mxfp8_e5m2fnuz,block_size=4"),
    ]


def _quantise_cases(name: str) -> list[Case]:
    return [
        _case(name, "bf16", "mxint4,block_size=8", bench=True),
        _case(name, "bf16", "mxfp4_e2m1"),
        _case(name, "fp32", "mxfp6_e3m2,block_size=5"),
        _case(name, "fp16", "mxint6,block_size=3,scale_bits=5"),
    ]


def _dequantise_cases(name: str) -> list[Case]:
    return [
        _case(name, "mxint4,block_size=8", "bf16", bench=True),
        _case(name, "mxfp4_e2m1", "bf16"),
        _case(name, "mxfp6_e3m2,block_size=5", "fp32"),
        _case(name, "mxint6,block_size=3,scale_bits=5", "fp16", overflow="ieee"),
    ]


def _dot_cases() -> list[Case]:
    pairs = (
        *(("mxint4", "mxint4"), ("mxint8", "mxint8"), ("mxint8", "mxint4")),
        *(("mxfp8_e4m3", "mxfp8_e4m3"), ("mxfp4_e2m1", "mxfp4_e2m1"), ("mxfp8_e4m3", "mxint8")),
        *(("mxfp8_e5m2,block_size=8", "mxfp8_e5m2,block_size=8"),),
        *(("mxfp6_e3m2,block_size=16", "mxint4,block_size=16"),),
    )
    accs = ("bf16", "e6m5", "q16.16", "q16.16,wrap=true")
    return [
        *(_case("mx_dot", a, b, "fp32") for a, b in pairs),
        *(_case("mx_dot", "mxint8", "mxint8", acc) for acc in accs),
        *(_case("mx_dot", "mxfp4_e2m1", "mxfp4_e2m1", acc) for acc in ("bf16", "q16.16,wrap=true")),
        _case("mx_dot", "mxint4", "mxint4", "e6m5"),
        _case("mx_dot", "mxfp8_e4m3", "mxint8", "bf16"),
        _case("mx_dot", "mxint8,block_size=8", "mxint4,block_size=8", "fp32", bench=True),
        _case("mx_dot", "mxfp4_e2m1,block_size=16", "mxfp4_e2m1,block_size=16", "bf16", bench=True),
        _case("mx_dot", "mxint4,block_size=4,scale_bits=5", "mxint8,block_size=4", "fp16"),
        _case("mx_dot", "mxint2,block_size=1", "mxint16,block_size=1", "fp32"),
        _case("mx_dot", "mxint4,block_size=7", "mxfp4_e2m1,block_size=7", "fp32"),
        _case("mx_dot", *("mxfp8_e4m3fnuz,block_size=8",) * 2, "e5m2fnuz"),
    ]


def _to_micro_cases() -> list[Case]:
    pairs = (
        *(("bf16", "mx4"), ("bf16", "mx6"), ("bf16", "mx9"), ("e6m5", "mx6")),
        *(("fp16", "mx6,block_size=16"), ("fp32", "mx4,block_size=16")),
        ("e4m3fnuz", "mx6,block_size=4"),
        ("e4m3,bias=135", "mx6,block_size=4"),  # the shared exponent is at its least, or near
        ("fp32", "mx9,element_bits=16,block_size=2"),
    )
    return [
        _case("fp_to_micro", "bf16", "mx9,block_size=8", bench=True),
        *(_case("fp_to_micro", *pair) for pair in pairs),
    ]


def _micro_dot_cases() -> list[Case]:
    b4 = (f"mx9,element_bits={bits},block_size=4" for bits in (2, 16))
    b16 = "block_size=16"
    return [
        _case("micro_dot", "mx9,block_size=8", "mx6,block_size=8", "fp32", bench=True),
        *(_case("micro_dot", mx, mx, "fp32") for mx in ("mx4", "mx6", "mx9")),
        _case("micro_dot", f"mx4,{b16}", f"mx9,{b16}", "bf16"),
        *(_case("micro_dot", "mx9", "mx9", acc) for acc in ("e6m5", "q16.16,wrap=true")),
        _case("micro_dot", *("mx6,block_size=2",) * 2, "fp16"),
        _case("micro_dot", *b4, "e5m2fnuz"),
    ]


def _nvfp4_cases() -> list[Case]:
    return [
        _case("fp_to_nvfp4", "bf16", "fp32", "e2m1", "e4m3", lanes=16, bench=True),
        _case("fp_to_nvfp4", "fp32", "fp32", "e2m1", "e4m3", lanes=16),
        _case("fp_to_nvfp4", "fp16", "bf16", "e2m1", "e4m3", lanes=4),
        _case("fp_to_nvfp4", "e6m5", "e6m5", "e2m1", "e4m3", lanes=3),
        _case("fp_to_nvfp4", "fp32", "fp16", "e3m2", "e5m2", lanes=5),
        _case("fp_to_nvfp4", "e4m3", "fp32", "e2m1", "e4m3", lanes=2),
    ]


def _nvfp4_dot_cases() -> list[Case]:
    return [
        _case("nvfp4_dot", "e2m1", "e4m3", "fp32", lanes=16, bench=True),
        _case("nvfp4_dot", "e2m1", "e4m3", "bf16", lanes=16),
        _case("nvfp4_dot", "e2m1", "e4m3", "e6m5", lanes=4),
        _case("nvfp4_dot", "e2m1", "e4m3", "q16.16", lanes=3),
        _case("nvfp4_dot", "e2m1", "e4m3", "q16.16,wrap=true", lanes=8),
        _case("nvfp4_dot", "e3m2", "e5m2", "fp32", lanes=5),
        _case("nvfp4_dot", "e4m3", "e4m3", "fp16", lanes=1),
    ]


def _to_int_cases() -> list[Case]:
    return [
        _case("fp_to_int", "bf16", "fp32", "q8.0", bench=True),
        _case("fp_to_int", "fp32", "fp32", "q8.0"),
        _case("fp_to_int", "e4m3", "fp16", "q8.0"),
        _case("fp_to_int", "e5m2", "e6m5", "q8.0"),
        _case("fp_to_int", "e6m5", "e4m3", "q4.0"),
        _case("fp_to_int", "fp16", "bf16", "q4.0"),
    ]


def _element_dot_cases(name: str) -> list[Case]:
    return [
        _case(name, "mxint8,block_size=8", "mxint4,block_size=8", "fp32", bench=True),
        _case(name, "mxfp4_e2m1,block_size=4", "mxfp4_e2m1,block_size=4", "bf16"),
        _case(name, "mxfp8_e4m3", "mxint8", "fp32"),
        _case(name, "mxfp8_e5m2,block_size=8", "mxfp8_e4m3,block_size=8", "q16.16"),
        _case(name, "mxint4,block_size=4,scale_bits=5", "mxint8,block_size=4", "e6m5"),
        _case(name, "mxint8,block_size=5", "mxfp4_e2m1,block_size=5", "q16.16,wrap=true"),
        _case(name, "mxint2,block_size=1", "mxint16,block_size=1", "fp32"),
    ]


def _tile_cases() -> list[Case]:
    b4, b8 = ("mxint8,block_size=4", "mxint4,block_size=4"), ("mxfp8_e4m3,block_size=8",) * 2
    fp4 = ("mxfp4_e2m1,block_size=4",) * 2
    mixed = ("mxint4,block_size=8,scale_bits=5", "mxfp8_e5m2,block_size=8")
    b1 = ("mxint2,block_size=1", "mxint8,block_size=1")
    b2 = ("mxint4,block_size=2", "mxint2,block_size=2")
    return [
        _case("mx_tile", *b4, "fp32", "bf16", rows=2, cols=3, bench=True),
        _case("mx_tile", *fp4, "bf16", "e6m5", rows=3, cols=2),
        _case("mx_tile", *b8, "q16.16", "bf16", rows=3, cols=3),
        _case("mx_tile", *mixed, "fp32", "e6m5", rows=1, cols=4),
        _case("mx_tile", *b1, "bf16", "q8.8", rows=2, cols=1),
        _case("mx_tile", *b2, "fp32", "bf16", rows=2, cols=2),
    ]


def _mm_cases() -> list[Case]:
    b4, fp4 = ("mxint8,block_size=4", "mxint4,block_size=4"), ("mxfp4_e2m1,block_size=8",) * 2
    fp8 = ("mxfp8_e4m3,block_size=4", "mxint8,block_size=4")
    return [
        _case("mx_mm", *b4, "fp32", "bf16", rows=2, cols=3, depth=8, bench=True),
        _case("mx_mm", *fp4, "bf16", "e6m5", rows=3, cols=3, depth=16),
        _case("mx_mm", *fp8, "q16.16", "bf16", rows=3, cols=2, depth=4),
    ]


def _mv_cases() -> list[Case]:
    b4, fp4 = ("mxint8,block_size=4", "mxint4,block_size=4"), ("mxfp4_e2m1,block_size=4",) * 2
    return [
        _case("mx_mv", *b4, "fp32", "bf16", cols=8, depth=8, bench=True),
        _case("mx_mv", *fp4, "bf16", "e6m5", cols=3, depth=12),
    ]


def _bmm_cases() -> list[Case]:
    b4, fp8 = ("mxint8,block_size=4", "mxint4,block_size=4"), ("mxfp8_e5m2,block_size=4",) * 2
    return [
        _case("mx_bmm", *b4, "fp32", "bf16", heads=2, rows=2, cols=3, depth=8, bench=True),
        _case("mx_bmm", *fp8, "q16.16,wrap=true", "e6m5", heads=3, rows=2, cols=2, depth=4),
    ]


def _choice_cases(name: str) -> list[Case]:
    """Cases of an op that rounds nothing."""
    return [
        *(_case(name, fmt, bench=fmt == "e4m3") for fmt in ("e2m1", "e3m2", "e4m3", "e5m2")),
        *(_case(name, fmt) for fmt in ("bf16", "fp16", "e3m4", "e4m3fnuz")),
    ]


def _reduce_cases(name: str) -> list[Case]:
    return [
        _case(name, "bf16", "fp32", lanes=16),
        _case(name, "bf16", "bf16", lanes=8, bench=True),
        _case(name, "fp16", "fp32", lanes=5),
        _case(name, "e6m5", "bf16", lanes=3),
        _case(name, "e4m3", "e5m2", lanes=4),
        _case(name, "bf16", "e6m5", lanes=1),
        _case(name, "e2m1", "e3m4", lanes=7),
        _case(name, "e5m2fnuz", "e4m3fnuz", lanes=3),
    ]


def _rope_cases() -> list[Case]:
    return [
        _case("rope", "bf16", groups=1, stride=4, bench=True),
        _case("rope", "bf16", groups=2, stride=1),
        _case("rope", "e4m3", groups=2, stride=2),
        _case("rope", "e6m5", groups=1, stride=1),
        _case("rope", "e4m3fnuz", groups=1, stride=1),
    ]


def _hadamard_cases() -> list[Case]:
    return [
        _case("hadamard", "bf16", lanes=8, block=8, bench=True),
        _case("hadamard", "e2m3", lanes=8, block=8),  # the gain is a subnormal
        _case("hadamard", "bf16", lanes=12, block=4),
        _case("hadamard", "e4m3", lanes=16, block=16),
        _case("hadamard", "e6m5", lanes=3, block=1),
        _case("hadamard", "e5m2fnuz", lanes=4, block=4),
        _case("hadamard", "e4m3", lanes=12, block=12, bench=True),
        _case("hadamard", "e3m2", lanes=24, block=24),
        _case("hadamard", "e5m2fnuz", lanes=24, block=12),
        _case("hadamard", "e5m2", lanes=20, block=20),
        _case("hadamard", "e3m2", lanes=28, block=28),
    ]


def _large_hadamard_cases() -> list[Case]:
    # Of few bits, but enough for a gain that is no 0.
    return [
        *(_case("hadamard", "e3m2", lanes=k, block=k) for k in (36, 40, 60, 92)),
        _case("hadamard", "e3m2", lanes=92, block=92, inverse=True),
    ]


def _activation_cases(name: str) -> list[Case]:
    return [
        _case(name, "bf16", lanes=4),
        _case(name, "e4m3", lanes=2, bench=True),
        _case(name, "e6m5", lanes=3),
        _case(name, "e4m3fnuz", lanes=2),
    ]


def _row_cases(name: str) -> list[Case]:
    return [
        _case(name, "bf16", "fp32", lanes=4),
        _case(name, "bf16", "bf16", lanes=4, bench=True),
        _case(name, "e4m3", "fp16", lanes=5),
        _case(name, "e6m5", "fp32", lanes=3),
        _case(name, "e4m3fnuz", "e5m10fnuz", lanes=3),
    ]


def _attention_cases() -> list[Case]:
    # Corners of bf16 come out as values: e4m7 has its precision.
    wide = (f"{name},block_size=4" for name in ("mxfp8_e4m3", "mxint4", "mxint8", "mxfp12_e4m7"))
    small = ("mxfp4_e2m1,block_size=2",) * 4
    mixed = ("mxfp8_e4m3,block_size=2", "mxint4,block_size=2,scale_bits=5")
    odd = ("mxint6,block_size=2,scale_bits=4,scale_rule=even", "mxint8,block_size=2")
    return [
        _case("attention_step", *wide, "fp32", "bf16", "fp32", keys=4, depth=8, cols=2),
        _case(
            "attention_step", *small, "fp16", "e4m3", "e5m6", keys=4, depth=2, cols=2, bench=True
        ),
        _case("attention_step", *mixed, *odd, "bf16", "e6m5", "bf16", keys=2, depth=4, cols=3),
    ]


_FAMILIES: Mapping[Family, Callable[[str], list[Case]]] = {
    Family.BINARY: _binary_cases,
    Family.CHOICE: _choice_cases,
    Family.SIGN: _choice_cases,
    Family.UNARY: _unary_cases,
    Family.CAST: _cast_cases,
    Family.QUANTISE: _quantise_cases,
    Family.DEQUANTISE: _dequantise_cases,
    Family.DOT: _element_dot_cases,
    Family.REDUCTION: _reduce_cases,
    Family.ACTIVATION: _activation_cases,
    Family.ROW: _row_cases,
}
_OPS: Mapping[str, Callable[[], list[Case]]] = {
    "fp_add": partial(_binary_cases, "fp_add", 12),
    "fp_mul": partial(_binary_cases, "fp_mul", 12),
    "fp_sigmoid": _sigmoid_cases,
    "fp_to_mx": _to_mx_cases,
    "fp_to_micro": _to_micro_cases,
    "mx_to_fp": _from_mx_cases,
    "mx_requantize": _requantize_cases,
    "mx_dot": _dot_cases,
    "micro_dot": _micro_dot_cases,
    "fp_to_nvfp4": _nvfp4_cases,
    "nvfp4_dot": _nvfp4_dot_cases,
    "fp_to_int": _to_int_cases,
    "mx_tile": _tile_cases,
    "mx_mm": _mm_cases,
    "mx_mv": _mv_cases,
    "mx_bmm": _bmm_cases,
    "rope": _rope_cases,
    "hadamard": _hadamard_cases,
    "attention_step": _attention_cases,
}
"""Ops that need others, or more, than their family."""
_LARGE: Mapping[str, Callable[[], list[Case]]] = {"hadamard": _large_hadamard_cases}
"""Cases that take minutes to build: the long run has them."""


def all_cases() -> list[Case]:
    """Return the whole table, op by op: an op's own cases, or those of its family."""
    return [case for name in OPS for case in _cases_of(name)]


def large_cases(block: str | None = None) -> list[Case]:
    """Return the cases of one block, or of all, that only the long run has."""
    return [case for name, cases in _LARGE.items() if block in (None, name) for case in cases()]


def _cases_of(name: str) -> list[Case]:
    op = get_op(name)
    if name in _OPS:
        return _OPS[name]()
    if op.family in _FAMILIES:
        return _FAMILIES[op.family](name)
    return _default_cases(op)


def _default_cases(op: Op) -> list[Case]:
    sizes = dict.fromkeys(op.sizes, 4)
    return [
        _case(op.name, *[fmt] * len(op.formats), bench=fmt == "e4m3", **sizes)
        for fmt in ("e4m3", "e6m5", "bf16")
    ]


def select_cases(block: str | None = None, fmt: str | None = None) -> list[Case]:
    """Return the cases of one block and with one format; None means all.

    A format that the table does not have for a block of one format makes a case of its own, so that
    `make sim BLOCK=fp_mul FMT=e3m4` works for every format.

    Raises:
        FormatError: an unknown block or format, or one that the table has no case for.
    """
    cases = _cases_of(get_op(block).name) if block else all_cases()
    if fmt is None:
        return cases
    wanted = named_format(fmt).name
    chosen = [case for case in cases if wanted in _format_names(case)]
    if not chosen and block and len(get_op(block).arguments) == 1:
        return [_case(block, wanted, bench=True)]
    if not chosen:
        known = sorted({name for case in cases for name in _format_names(case)})
        raise FormatError(
            f"no case of {block or 'any block'} has the format {wanted!r}; there are: "
            f"{', '.join(known)}"
        )
    return chosen


def _format_names(case: Case) -> set[str]:
    return {case.formats[argument].name for argument in case.op.formats}


def find_case(case_id: str) -> Case:
    """Return the case with this id; FormatError names the nearest known one."""
    cases = {case.id: case for case in (*all_cases(), *large_cases())}
    if case_id in cases:
        return cases[case_id]
    name, _, rest = case_id.partition("-")
    if name in OPS and len(OPS[name].arguments) == 1:
        for case in select_cases(name, rest.split("-")[0]):
            if case.id == case_id:
                return case
    raise FormatError(f"no case {case_id!r} in the regression{did_you_mean(case_id, cases)}")
