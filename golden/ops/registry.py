"""The operations that golden and gates share: one line an op.

The vector player, the cocotb bench, the regression and the docs read this table; nothing about an
operation's ports or parameters is typed anywhere else. `op.py` says what the fields mean,
`families.py` what the ops of a family have in common.
"""

from __future__ import annotations

from plena_cosim.ground.did_you_mean import did_you_mean

from ..formats import FormatError
from ..hadamard_sizes import require_hadamard_size
from .add import add, sub
from .attention_step import attention_step
from .cast import cast
from .compare import compare
from .convert import fp_to_mx, mx_to_fp
from .dot import mx_dot
from .exp import exp, exp2
from .families import (
    ELEMENT_AND_SCALE,
    FMT,
    LANES,
    MODES,
    activation_op,
    binary_op,
    block,
    choice_op,
    codes,
    dequantise_op,
    dot_op,
    flags,
    matrix,
    matrix_op,
    micro_block,
    normalisation_op,
    operand,
    quantise_op,
    reduction_op,
    row_op,
    scale_op,
    sign_op,
    sliced_matrix_op,
    unary_op,
    vector,
)
from .fp_to_int import fp_to_int
from .fp_to_micro import fp_to_micro
from .gelu import gelu_sigmoid, gelu_tanh
from .hadamard import hadamard
from .hbm import hbm_load, hbm_store
from .layer_norm import layer_norm
from .max import max, min
from .micro_dot import micro_dot
from .mul import mul
from .mx_mm import mx_bmm, mx_mm, mx_mv
from .mx_pe import mx_pe
from .mx_tile import mx_tile
from .nvfp4 import fp_to_nvfp4
from .nvfp4_dot import nvfp4_dot
from .online_softmax import online_softmax
from .op import Arguments, Family, Op, Port, block_of, bytes_of, product_of
from .reciprocal import reciprocal
from .reduce import reduce_max, reduce_sum
from .requantize import mx_requantize
from .rms_norm import rms_norm
from .rope import rope
from .sigmoid import sigmoid
from .sign import abs, neg
from .silu import silu, swiglu
from .softmax import softmax
from .sqrt import rsqrt, sqrt

__all__ = ["OPS", "Op", "Port", "get_op"]

_BYTES = (Port("data", "mx", "byte", bytes_of("mx")),)
_MASKED = (*vector("x"), *flags("mask", count=product_of("lanes")))


def _rope_lanes(arguments: Arguments) -> int:
    return 2 * int(arguments["groups"]) * int(arguments["stride"])


def _check_hadamard(arguments: Arguments) -> None:
    require_hadamard_size(arguments["block"], arguments["lanes"], "hadamard: block")


OPS: dict[str, Op] = {
    op.name: op
    for op in (
        binary_op("fp_add", add, "correctly rounded sum"),
        binary_op("fp_sub", sub, "correctly rounded difference"),
        binary_op("fp_mul", mul, "correctly rounded product"),
        choice_op("fp_max", max, "the larger operand; a NaN loses"),
        choice_op("fp_min", min, "the smaller operand; a NaN loses"),
        sign_op("fp_neg", neg, "sign bit flipped"),
        sign_op("fp_abs", abs, "sign bit cleared"),
        choice_op(
            "fp_compare",
            compare,
            "less, equal, unordered",
            outputs=flags("less", "equal", "unordered"),
        ),
        Op(
            "fp_cast",
            cast,
            "one scalar format to another",
            Family.CAST,
            formats={"src": "Src", "dst": "Dst"},
            inputs=codes("a", fmt="src"),
            outputs=codes("y", fmt="dst"),
            modes=MODES,
        ),
        quantise_op(
            "fp_to_mx",
            fp_to_mx,
            "a block of scalar codes to MX codes and their scale",
            block("mx"),
        ),
        dequantise_op("mx_to_fp", mx_to_fp, "an MX block to scalar codes", block("mx")),
        Op(
            "mx_requantize",
            mx_requantize,
            "an MX block to one of another format, from its exact values",
            Family.QUANTISE,
            formats={"src": "Src", "dst": "Dst"},
            inputs=block("src"),
            outputs=block("dst"),
        ),
        quantise_op("hbm_store", hbm_store, "a block of scalar codes to packed MX bytes", _BYTES),
        dequantise_op("hbm_load", hbm_load, "packed MX bytes to scalar codes", _BYTES),
        dot_op(
            "mx_dot",
            mx_dot,
            "exact block dot, one rounding, ordered accumulate",
            operand("a", block_of("a")),
            operand("b", block_of("b")),
        ),
        quantise_op(
            "fp_to_micro",
            fp_to_micro,
            "a block of scalar codes to integers with micro-exponents (MX4, MX6, MX9)",
            micro_block("mx"),
        ),
        dot_op(
            "micro_dot",
            micro_dot,
            "exact dot of blocks with micro-exponents, one rounding, ordered accumulate",
            micro_block("a", "a_"),
            micro_block("b", "b_"),
        ),
        scale_op(
            "fp_to_nvfp4",
            fp_to_nvfp4,
            "a block of scalar codes to elements and a scale, by the scale t of a tensor",
            inputs=(*vector("x", fmt="src"), *codes("t")),
            outputs=(*vector("codes", fmt="element"), *codes("scale", fmt="scale")),
            formats=ELEMENT_AND_SCALE,
            sizes=LANES,
            built_for={
                "fmt": ("fp32", "bf16", "fp16", "e6m5"),
                "element": ("e2m1", "e3m2"),
                "scale": ("e4m3", "e5m2"),
            },
        ),
        Op(
            "nvfp4_dot",
            nvfp4_dot,
            "exact dot of elements and of their scales, one rounding, ordered accumulate",
            Family.SCALED_DOT,
            formats={**ELEMENT_AND_SCALE, "acc": "Acc"},
            sizes=LANES,
            inputs=(
                *(*vector("a_codes", fmt="element"), *codes("a_scale", fmt="scale")),
                *(*vector("b_codes", fmt="element"), *codes("b_scale", fmt="scale")),
                *flags("first"),
            ),
            outputs=codes("acc", fmt="acc"),
            stateful=True,
            built_for={"element": ("e2m1", "e3m2", "e4m3"), "scale": ("e4m3", "e5m2")},
        ),
        scale_op(
            "fp_to_int",
            fp_to_int,
            "an integer with a scale, by the scale's reciprocal",
            inputs=(*codes("x", fmt="src"), *codes("reciprocal")),
            outputs=codes("y", fmt="dst"),
            formats={"dst": "Dst"},
            built_for={"dst": ("q8.0", "q4.0")},
        ),
        reduction_op(
            "reduce_sum",
            reduce_sum,
            "seed + sum of the masked lanes, a balanced tree (V_RED_SUM)",
        ),
        reduction_op("reduce_max", reduce_max, "largest of seed and masked lanes (V_RED_MAX)"),
        unary_op("fp_reciprocal", reciprocal, "correctly rounded 1 / a"),
        unary_op("fp_sqrt", sqrt, "correctly rounded square root"),
        unary_op("fp_rsqrt", rsqrt, "correctly rounded 1 / sqrt(a)"),
        unary_op("fp_exp", exp, "correctly rounded e^a"),
        unary_op("fp_exp2", exp2, "correctly rounded 2^a"),
        unary_op("fp_sigmoid", sigmoid, "correctly rounded 1 / (1 + e^-a)"),
        dot_op(
            "mx_pe",
            mx_pe,
            "processing element: a pair of elements a beat, ordered sum of blocks",
            operand("a"),
            operand("b"),
        ),
        matrix_op(
            "mx_tile",
            mx_tile,
            "tile of lanes that share rounding paths, one step of K a beat",
            "rows",
            "cols",
            inputs=(
                *operand("a", product_of("rows"), product_of("rows")),
                *operand("b", product_of("cols"), product_of("cols")),
            ),
        ),
        sliced_matrix_op("mx_mm", mx_mm, "matrix @ matrix, a slice of K a beat", "rows"),
        sliced_matrix_op("mx_mv", mx_mv, "vector @ matrix, a slice of K a beat"),
        sliced_matrix_op(
            "mx_bmm", mx_bmm, "matrix @ matrix for each of several heads", "heads", "rows"
        ),
        Op(
            "rope",
            rope,
            "rotary position embedding",
            Family.TRANSFORM,
            formats=FMT,
            sizes={"groups": "Groups", "stride": "Stride"},
            inputs=codes("x", "cos", "sin", count=_rope_lanes),
            outputs=codes("y", count=_rope_lanes),
        ),
        Op(
            "hadamard",
            hadamard,
            "orthonormal Hadamard transform of blocks of K * 2^r lanes",
            Family.TRANSFORM,
            formats=FMT,
            sizes=LANES | {"block": "Block"},
            inputs=vector("x"),
            outputs=vector("y"),
            modes=("inverse",),
            check=_check_hadamard,
        ),
        activation_op("silu", silu, "x times its sigmoid, by exponential and reciprocal"),
        activation_op("swiglu", swiglu, "silu(gate) times up", "gate", "up"),
        activation_op("gelu_sigmoid", gelu_sigmoid, "x times the sigmoid of 1.702 x"),
        activation_op("gelu_tanh", gelu_tanh, "GELU by the hyperbolic tangent"),
        row_op("softmax", softmax, "softmax of one row", _MASKED),
        row_op(
            "online_softmax",
            online_softmax,
            "one block of a row after another: p, c, l, m",
            inputs=(*_MASKED, *flags("first")),
            outputs=(*vector("p"), *codes("c", "l", "m")),
            stateful=True,
        ),
        Op(
            "attention_step",
            attention_step,
            "attention, a query and a block of keys a beat",
            Family.ATTENTION,
            formats={"q": "Q", "k": "K", "p": "P", "v": "V", "acc": "Acc", "fmt": "", "red": "Red"},
            sizes={"keys": "Keys", "depth": "Depth", "cols": "Cols"},
            inputs=(
                *matrix("q", "depth"),
                *matrix("k", "keys", "depth"),
                *matrix("v", "cols", "keys"),
                *flags("mask", count=product_of("keys")),
                *flags("first", "last"),
            ),
            outputs=codes("y", count=product_of("cols")),
            stateful=True,
            result_when="last",
            max_width_bits=16,
        ),
        normalisation_op(
            "rms_norm",
            rms_norm,
            "one row divided by its root mean square, times a gain",
            "gamma",
        ),
        normalisation_op(
            "layer_norm", layer_norm, "layer normalisation of one row", "gamma", "beta"
        ),
    )
}
"""Every operation by name, in the order of tables."""


def get_op(name: str) -> Op:
    """Return the op called `name`; FormatError names the nearest known one."""
    if name not in OPS:
        raise FormatError(f"unknown op {name!r}; known: {', '.join(OPS)}{did_you_mean(name, OPS)}")
    return OPS[name]
