"""Operations on codes: one file an op; `registry` lists those that exist in gates as well."""

from .add import add, sub
from .cast import cast
from .compare import Comparison, compare
from .convert import fp_to_mx, mx_to_fp
from .dot import dot, mx_dot
from .exp import exp, exp2
from .matmul import matmul
from .max import max, min
from .mul import mul
from .mx_pe import mx_pe
from .reciprocal import reciprocal
from .reduce import reduce_max, reduce_rows, reduce_sum
from .registry import OPS, Op, Port, get_op
from .sigmoid import sigmoid
from .sign import abs, neg
from .sqrt import rsqrt, sqrt

__all__ = [
    "OPS",
    "Comparison",
    "Op",
    "Port",
    "abs",
    "add",
    "cast",
    "compare",
    "dot",
    "exp",
    "exp2",
    "fp_to_mx",
    "get_op",
    "matmul",
    "max",
    "min",
    "mul",
    "mx_dot",
    "mx_pe",
    "mx_to_fp",
    "neg",
    "reciprocal",
    "reduce_max",
    "reduce_rows",
    "reduce_sum",
    "rsqrt",
    "sigmoid",
    "sqrt",
    "sub",
]
