"""Operations on codes: one file an op; `registry` lists those that exist in gates as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plena_cosim.ground.lazily import lazily

from .add import add, sub
from .attention import attention
from .attention_step import attention_step
from .cast import cast
from .compare import Comparison, compare
from .convert import fp_to_mx, mx_to_fp
from .dot import dot, mx_dot
from .exp import exp, exp2
from .fp_to_int import fp_to_int
from .fp_to_micro import fp_to_micro
from .gelu import gelu_sigmoid, gelu_tanh
from .hadamard import hadamard
from .hbm import block_bytes, hbm_load, hbm_store, pack_blocks, unpack_blocks
from .layer_norm import layer_norm
from .matmul import matmul
from .max import max, min
from .micro_dot import micro_dot
from .mul import mul
from .mx_mm import mx_bmm, mx_mm, mx_mv
from .mx_pe import mx_pe
from .mx_tile import mx_tile
from .nvfp4 import fp_to_nvfp4
from .nvfp4_dot import nvfp4_dot
from .online_softmax import online_softmax, online_softmax_rows
from .reciprocal import reciprocal
from .reduce import reduce_max, reduce_rows, reduce_sum
from .requantize import mx_requantize
from .rms_norm import rms_norm
from .rope import rope
from .rope_tables import rope_tables
from .sigmoid import sigmoid
from .sign import abs, neg
from .silu import silu, swiglu
from .softmax import softmax
from .sqrt import rsqrt, sqrt

if TYPE_CHECKING:
    from .registry import OPS, Op, Port, get_op

__all__ = [
    "OPS",
    "Comparison",
    "Op",
    "Port",
    "abs",
    "add",
    "attention",
    "attention_step",
    "block_bytes",
    "cast",
    "compare",
    "dot",
    "exp",
    "exp2",
    "fp_to_int",
    "fp_to_micro",
    "fp_to_mx",
    "fp_to_nvfp4",
    "gelu_sigmoid",
    "gelu_tanh",
    "get_op",
    "hadamard",
    "hbm_load",
    "hbm_store",
    "layer_norm",
    "matmul",
    "max",
    "micro_dot",
    "min",
    "mul",
    "mx_bmm",
    "mx_dot",
    "mx_mm",
    "mx_mv",
    "mx_pe",
    "mx_requantize",
    "mx_tile",
    "mx_to_fp",
    "neg",
    "nvfp4_dot",
    "online_softmax",
    "online_softmax_rows",
    "pack_blocks",
    "reciprocal",
    "reduce_max",
    "reduce_rows",
    "reduce_sum",
    "rms_norm",
    "rope",
    "rope_tables",
    "rsqrt",
    "sigmoid",
    "silu",
    "softmax",
    "sqrt",
    "sub",
    "swiglu",
    "unpack_blocks",
]

# Computing needs no table of ports and parameters: its records are made when it is asked for.
__getattr__ = lazily(__name__, {".registry": ("OPS", "Op", "Port", "get_op")})
