"""What is proven about the RTL, module by module, and the fault that each proof has to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from plena_cosim.golden import Rounding, get_format
from plena_cosim.golden.blocks.formats import MicroMx
from plena_cosim.golden.formats import Mx, sv_rounding
from plena_cosim.golden.ops.op import Family
from plena_cosim.golden.ops.registry import OPS, Op

from ..cases.table import select_cases
from ..verilate.fault import Fault
from ..verilate.rtl_files import RTL_DIR, RtlNotFoundError, needed_sources
from ..verilate.sv_literal import sv_literal

Parameters = Mapping[str, int | str]


@dataclass(frozen=True, kw_only=True)
class Proof:
    """One claim about some modules, for several sets of parameters."""

    name: str
    modules: tuple[str, ...]
    """What is proven to be right."""
    claim: str
    top: str
    """The module with the property: a file of rtl/formal/, or CONTRACT_TOP."""
    configurations: Mapping[str, Parameters]
    """Parameters by label."""
    shown: tuple[str, ...]
    """Signals that a counterexample tells."""
    faults: tuple[Fault, ...]
    op: str = ""
    """Contracts: the op whose block `contract_source` puts into `top`."""
    independent: tuple[str, ...] = ()
    """Outputs that must not depend on out_ready_i within a cycle."""


IO = ("rst_ni", "in_valid_i", "in_ready_o", "out_valid_o", "out_ready_i")
CONTROL = ("valid_q", "count_q", "quiet_q", "tracked_q", "ahead_q")
"""Registers that say where beats are, in plena_stream_reg and plena_stream_props. Which ones stand
here decides whether an induction succeeds, never whether its result is right."""

ROUND, ROUND_UP = "common/plena_round.sv", "common/plena_round_up.sv"
STREAM = "common/plena_stream_reg.sv"
WRONG_TIE = Fault(
    file=ROUND_UP,
    old="guard_i & (sticky_i | lsb_i)",
    new="guard_i & (sticky_i | !lsb_i)",
    name="wrong tie",
)
LOST_CARRY = Fault(
    file=ROUND,
    old="mag[1] = mag[0] + WideW'(1)",
    new="mag[1] = {mag[0][WideW-1:F.man_w], mag[0][F.man_w-1:0] + F.man_w'(1)}",
    name="carry out of the fraction lost",
)
SIGNED_ZERO = Fault(
    file=ROUND,
    old="magnitude == '0 ?",
    new="magnitude == '0 && !sign ?",
    name="a zero with a sign where the code of -0 is NaN",
)
SWAPPED_STALL = Fault(
    file=STREAM,
    old="!valid_q || out_ready_i",
    new="!valid_q || !out_ready_i",
    name="swapped stall",
)
LOST_BEAT = Fault(
    file=STREAM,
    old="!valid_q || out_ready_i",
    new="1'b1 || out_ready_i",
    name="beat lost when stalled",
)
PAYLOAD_NOT_HELD = Fault(
    file=STREAM,
    old="    end else if (in_ready_o) begin\n      valid_q <= in_valid_i;\n"
    "      if (in_valid_i) data_q <=",
    new="    end else begin\n      valid_q <= in_ready_o ? in_valid_i : valid_q;\n      data_q <=",
    name="payload not held while stalled",
)


def _modes(names: Sequence[str], roundings: Sequence[Rounding]) -> dict[str, Parameters]:
    """Return the parameters of minifloats in some modes, both overflows, by label."""
    found: dict[str, Parameters] = {}
    for name in names:
        for rounding in roundings:
            for saturate in (1, 0):
                label = f"{name} {rounding.value}{'' if saturate else ' ieee'}"
                modes = {"Rounding": sv_rounding(rounding), "Saturate": saturate}
                found[label] = get_format(name).sv_parameters() | modes
    return found


ALL_MODES = tuple(mode for mode in Rounding if mode is not Rounding.STOCHASTIC)
NEAREST = (Rounding.RNE,)

E2M1_MAGNITUDES = tuple(map(Fraction, ("0", "0.5", "1", "1.5", "2", "3", "4", "6")))
"""OCP Microscaling Formats v1.0, table 5.3.3."""


def e2m1_product_table() -> str:
    """Return all 256 products of E2M1 codes, rounded to nearest even, saturating, as a constant.

    Row {a, b} stands at bit 4 · (16 · a + b). Made from the values that the standard lists, with
    exact fractions; nothing of golden is used.
    """
    word = 0
    for a in range(16):
        for b in range(16):
            exact = E2M1_MAGNITUDES[a & 7] * E2M1_MAGNITUDES[b & 7]
            distance = [abs(exact - value) for value in E2M1_MAGNITUDES]
            # Nearest; of two, the even code. Beyond 6 the nearest is 6.
            nearest = min(range(8), key=lambda code: (distance[code], code & 1))
            word |= (nearest | ((a ^ b) & 8)) << (4 * (16 * a + b))
    return f"1024'h{word:0256x}"


def contract_arguments(op: Op) -> dict[str, Any]:
    """Return small formats and sizes for an op: where beats are does not depend on what they are.

    >>> from plena_cosim.golden.ops.registry import get_op
    >>> sorted(fmt.name for fmt in contract_arguments(get_op("mx_to_fp")).values())
    ['e3m2', 'mxint4']
    """
    usual = select_cases(op.name)[0].formats
    mx = get_format("mxint4", block_size=2, scale_bits=3)
    small = {Mx: mx, MicroMx: MicroMx(element_bits=3, block_size=2)}
    formats = {
        name: small.get(type(usual[name])) or op.narrowest(name, "e3m2") for name in op.formats
    }
    return formats | {size: 2 if size in ("lanes", "block") else 1 for size in op.sizes}


DEEP_FAMILIES = (Family.ACTIVATION, Family.ROW)
"""Blocks of many stages that are no chain: their ways to be full and empty are too many to list."""


def keeps_contract(op: Op) -> bool:
    """Whether plena_stream_props is about an op's block: a beat a cycle, and a result for each."""
    text = needed_sources(op.module)[-1].read_text(encoding="utf-8")
    steady = not op.result_when and "localparam int unsigned Interval" not in text
    return steady and op.family not in DEEP_FAMILIES


CONTRACT_TOP, LATENCY_TOP = "plena_stream_contract", "plena_latency"


def _connected(parameters: Mapping[str, int]) -> str:
    """Return parameters by name, as an instance has them."""
    return ", ".join(f".{name}({sv_literal(value)})" for name, value in parameters.items())


def latency_source(op: Op) -> str:
    """Return a module whose output `latency_o` is a block's localparam Latency."""
    given = _connected(op.sv_parameters(**contract_arguments(op)))
    lines = [
        f"module {LATENCY_TOP} (output logic [31:0] latency_o);",
        f"  {op.module} #({given}) u_dut ();",
        "  assign latency_o = u_dut.Latency;",
        "endmodule",
    ]
    return "\n".join([*lines, ""])


def contract_source(op: Op, latency: int) -> str:
    """Return a module that watches an op's block with plena_stream_props, from the registry.

    Args:
        op: the op; its block has one stream in and one out.
        latency: the block's, in cycles.
    """
    formats = contract_arguments(op)
    widths = {
        port: port.width_bits(formats) * port.lanes(formats) for port in (*op.inputs, *op.outputs)
    }
    data = [f"  input  logic [{widths[port] - 1}:0] {port.name}_i," for port in op.inputs]
    results = [f"  logic [{widths[port] - 1}:0] {port.name};" for port in op.outputs]
    connected = [f".{port.name}_i" for port in op.inputs]
    connected += [f".{port.name}_o({port.name})" for port in op.outputs]
    parameters = op.sv_parameters(**formats)
    connected_parameters = _connected(parameters)
    total = sum(widths[port] for port in op.outputs)
    lines = [
        f"module {CONTRACT_TOP} (",
        "  input  logic clk_i, rst_ni, in_valid_i, out_ready_i, pick_i,",
        *data,
        f"  output logic [{total - 1}:0] payload_o,",
        "  output logic in_ready_o, out_valid_o, holds_o",
        ");",
        *results,
        "  logic take, due;",
        f"  assign payload_o = {{{', '.join(port.name for port in op.outputs)}}};",
        f"  {op.module} #({connected_parameters}) u_dut (",
        "    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .out_valid_o, .out_ready_i,",
        f"    {', '.join(connected)}",
        "  );",
        f"  plena_stream_props #(.Latency({latency}), .Width({total})) u_props (",
        "    .clk_i, .rst_ni, .in_valid_i, .in_ready_i(in_ready_o), .out_valid_i(out_valid_o),",
        "    .out_ready_i, .payload_i(payload_o), .pick_i, .take_o(take), .due_o(due), .holds_o",
        "  );",
        "endmodule",
    ]
    return "\n".join([*lines, ""])


_IGNORED_STALLS = (
    (".out_valid_o, .out_ready_i,", ".out_valid_o, .out_ready_i(1'b1 || out_ready_i),"),
    ("= !out_valid_o || out_ready_i;", "= !out_valid_o || out_ready_i || in_valid_i;"),
)
"""How blocks keep a stalled result: a register at the end, or an enable for all stages."""


def ignored_stall(module: str) -> Fault:
    """Return the fault that a block gives up a result which nobody has taken."""
    path = needed_sources(module)[-1]
    text = path.read_text(encoding="utf-8")
    ways = [way for way in _IGNORED_STALLS if text.count(way[0]) == 1]
    if not ways:
        raise RtlNotFoundError(
            f"{path}: no way known to ignore a stall; add one to _IGNORED_STALLS"
        )
    file = path.relative_to(RTL_DIR).as_posix()
    return Fault(name="a stalled result is overwritten", file=file, old=ways[0][0], new=ways[0][1])


def _contract(op: Op) -> Proof:
    return Proof(
        name=f"contract-{op.name}",
        modules=(op.module,),
        claim="nothing lost or added, stable while stalled, valid never waits for ready",
        top=CONTRACT_TOP,
        configurations={", ".join(map(_label, contract_arguments(op).values())): {}},
        shown=(*IO, "payload_o"),
        faults=(ignored_stall(op.module),),
        op=op.name,
        independent=("out_valid_o", "payload_o"),
    )


def _label(argument: Any) -> str:
    if isinstance(argument, (Mx, MicroMx)):
        return f"{argument.name} x{argument.block_size}"
    return str(argument) if isinstance(argument, int) else str(argument.name)


PROOFS: tuple[Proof, ...] = (
    Proof(
        name="round",
        modules=("plena_round", "plena_round_up"),
        claim="no other code is nearer, in every mode, for every input",
        top="plena_round_props",
        configurations={
            **_modes(("e2m1", "e3m2", "e4m3", "e5m2", "e4m3fnuz"), ALL_MODES),
            **_modes(("e3m0", "e6m5"), NEAREST),
        },
        shown=(
            *("sign_i", "exp_i", "sig_i", "guard_i", "sticky_i", "inf_i", "nan_i", "code_o"),
            "other_i",
        ),
        faults=(
            WRONG_TIE,
            LOST_CARRY,
            Fault(
                name="rounding up stays finite on the wrong side",
                file=ROUND,
                old="(Rounding == RoundUp && sign_i)",
                new="(Rounding == RoundUp && !sign_i)",
            ),
            SIGNED_ZERO,
        ),
    ),
    Proof(
        name="mul-e2m1-table",
        modules=("plena_fp_mul_core", "plena_fp_exact_product"),
        claim="equals the table of all products, made from exact fractions",
        top="plena_fp_mul_table_props",
        configurations={
            "e2m1": get_format("e2m1").sv_parameters() | {"Table": e2m1_product_table()}
        },
        shown=("a_i", "b_i", "y_o"),
        faults=(
            Fault(
                name="exponent off by one",
                file="fp/plena_fp_exact_product.sv",
                old="- ExpW'(F.bias)",
                new="- ExpW'(F.bias + 1)",
            ),
        ),
    ),
    Proof(
        name="mul",
        modules=("plena_fp_mul_core", "plena_fp_exact_product"),
        claim="the rounded exact product, for every pair of codes",
        top="plena_fp_mul_props",
        configurations={
            **_modes(("e2m1", "e3m2", "e2m1fnuz"), ALL_MODES),
            **_modes(("e4m3", "e4m3fnuz"), NEAREST),
        },
        shown=("a_i", "b_i", "y_o", "other_i"),
        faults=(
            WRONG_TIE,
            Fault(
                name="sign of one factor only",
                file="fp/plena_fp_exact_product.sv",
                old="a_sign ^ b_sign",
                new="a_sign | b_sign",
            ),
        ),
    ),
    Proof(
        name="add",
        modules=("plena_fp_add_core", "plena_fp_exact_sum"),
        claim="the rounded exact sum, for every pair of codes",
        top="plena_fp_add_props",
        configurations={
            **_modes(("e2m1", "e3m2", "e2m1fnuz"), ALL_MODES),
            **_modes(("e3m4", "e4m3", "e5m2", "e4m3fnuz"), NEAREST),
        },
        shown=("a_i", "b_i", "y_o", "other_i"),
        faults=(
            WRONG_TIE,
            Fault(
                name="exact zero with the wrong sign",
                file="fp/plena_fp_exact_sum.sv",
                old="Rounding == RoundDown : swap",
                new="Rounding != RoundDown : swap",
            ),
        ),
    ),
    Proof(
        name="max-tree",
        modules=("plena_max_tree",),
        claim="one of the numbers, and none is larger",
        top="plena_max_tree_props",
        configurations={
            f"{lanes} lanes": {"Lanes": lanes, "Width": 4} for lanes in (1, 2, 3, 5, 7, 8)
        },
        shown=("data_i", "lane_i", "max_o"),
        faults=(
            Fault(
                name="compares the other way",
                file="common/plena_max_tree.sv",
                old="gen_level[level-1].node[2*n+1] > gen_level[level-1].node[2*n]\n",
                new="gen_level[level-1].node[2*n+1] < gen_level[level-1].node[2*n]\n",
            ),
            Fault(
                name="a lane without a neighbour is dropped",
                file="common/plena_max_tree.sv",
                old="          assign node[n] = gen_level[level-1].node[2*n];",
                new="          assign node[n] = '0 & gen_level[level-1].node[2*n];",
            ),
        ),
    ),
    Proof(
        name="quotient-limits",
        modules=("plena_quotient_limits", "plena_limits_element"),
        claim="the element that a quotient rounds to, rounded to its format before",
        top="plena_quotient_limits_props",
        configurations={
            f"{name}, {element}": get_format(name).sv_parameters()
            | get_format(element).sv_parameters("Elem")
            for name, element in (
                *(("e3m2", "e2m1"), ("e5m2", "e2m1"), ("e3m4", "e2m1"), ("e3m4", "e1m2")),
            )
        },
        shown=("x_i", "s_i", "y_o", "other_o"),
        faults=(
            Fault(
                name="ties of elements on the other side",
                file="mx/plena_quotient_limits.sv",
                old="if (k % 2 == 1) begin : gen_above",
                new="if (k % 2 == 0) begin : gen_above",
            ),
            Fault(
                name="quotient not rounded before the element",
                file="mx/plena_quotient_limits.sv",
                old="product = ProdW'(sig) * Normal - ProdW'(sig)",
                new="product = ProdW'(sig) * Normal - 1",
            ),
        ),
    ),
    Proof(
        name="stream-reg",
        modules=("plena_stream_reg",),
        claim="the stream contract, and every beat comes out as it went in",
        top="plena_stream_reg_props",
        configurations={f"{width} bits": {"Width": width} for width in (1, 32)},
        shown=(*IO, "in_data_i", "out_data_o"),
        faults=(
            SWAPPED_STALL,
            LOST_BEAT,
            PAYLOAD_NOT_HELD,
            Fault(
                name="valid waits for ready",
                file=STREAM,
                old="out_valid_o = valid_q",
                new="out_valid_o = valid_q && out_ready_i",
            ),
        ),
        independent=("out_valid_o", "out_data_o"),
    ),
    Proof(
        name="stream-fp_add",
        modules=("plena_fp_add",),
        claim="the stream contract, and every beat comes out as its own sum, in order",
        top="plena_fp_add_stream_props",
        configurations={
            **{name: get_format(name).sv_parameters() for name in ("e2m1", "e4m3", "bf16")},
            "e2m1, 2 stages": get_format("e2m1").sv_parameters() | {"Stages": 2},
        },
        shown=(*IO, "a_i", "b_i", "y_o"),
        faults=(
            Fault(
                name="the sum is one beat late",
                file="fp/plena_fp_add.sv",
                old=".in_data_i(y)",
                new=".in_data_i(out_valid_o ? y_o : y)",
            ),
        ),
        independent=("out_valid_o", "y_o"),
    ),
    Proof(
        name="stream-mx_dot",
        modules=("plena_mx_dot",),
        claim="the stream contract, and every beat adds its own dot to the sum before, in order",
        top="plena_mx_dot_stream_props",
        configurations={
            "mxint2 x2, q4.0": {"ManW": 0, "BlockSize": 2, "AccW": 4},
            "mxint3 x1, q5.0": {"ManW": 1, "BlockSize": 1, "AccW": 5},
        },
        shown=(*IO, "a_codes_i", "b_codes_i", "first_i", "acc_o"),
        faults=(
            Fault(
                name="restart belongs to another beat",
                file="mx/plena_mx_dot.sv",
                old="{s1_first, partial}",
                new="{first_i, partial}",
            ),
            Fault(
                name="a stage takes while the next one is stalled",
                file="mx/plena_mx_dot.sv",
                old=".out_valid_o(s1_valid), .out_ready_i(s1_ready)",
                new=".out_valid_o(s1_valid), .out_ready_i(s1_ready || in_valid_i)",
            ),
        ),
        independent=("out_valid_o", "acc_o"),
    ),
    Proof(
        name="micro-dot",
        modules=("plena_micro_dot_core",),
        claim="the exact sum of products, each element in steps of its pair",
        top="plena_micro_dot_props",
        configurations={
            f"{a} x {b} bits x{size}": {"AWidth": a, "BWidth": b, "BlockSize": size}
            for a, b, size in ((2, 2, 2), (2, 3, 2), (2, 2, 4))
        },
        shown=("a_codes_i", "a_micro_i", "b_codes_i", "b_micro_i", "sum_o"),
        faults=(
            Fault(
                name="micro-exponents of b do nothing",
                file="mx/plena_micro_dot_core.sv",
                old="- 2'(b_micro_i[pair])",
                new="- 2'(b_micro_i[pair] && a_micro_i[pair])",
            ),
            Fault(
                name="the sum of a pair loses its sign",
                file="mx/plena_micro_dot_core.sv",
                old="{{2{dot[PairW-1]}}, dot}",
                new="{2'b00, dot}",
            ),
        ),
    ),
    *(_contract(op) for op in OPS.values() if keeps_contract(op)),
)


def proofs_of(module: str) -> list[str]:
    """Return the names of the proofs about a module, for tables.

    >>> proofs_of("plena_mx_dot")
    ['stream-mx_dot', 'contract-mx_dot']
    """
    return [proof.name for proof in PROOFS if module in proof.modules]


def proofs_about(op: Op) -> tuple[Proof, ...]:
    """Return the proofs about an op's block and about the modules that it is made of.

    Args:
        op: of the registry.

    >>> from plena_cosim.golden.ops.registry import get_op
    >>> [proof.name for proof in proofs_about(get_op("fp_neg"))]
    ['stream-reg', 'contract-fp_neg']
    """
    modules = {path.stem for path in needed_sources(op.module)}
    return tuple(proof for proof in PROOFS if modules & set(proof.modules))
