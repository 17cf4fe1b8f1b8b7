"""torch twins of golden: the same values bit for bit, on CPU and CUDA.

`quantize`, `quantize_affine` and `quantize_blocks` pass gradients straight through; the other
operations have none.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "plena_cosim.fakequant needs torch, which is not installed; "
        "install plena-cosim[torch]: pip install 'plena-cosim[torch]'"
    ) from error

from plena_cosim.golden import ExactnessError

from .affine import affine_scale, quantize_affine
from .arithmetic import add, mul, neg, sub
from .attention import attention
from .carrier import round_once
from .cast import cast
from .hadamard import hadamard
from .matmul import matmul
from .max import max, min
from .mx_tensor import MxTensor
from .quantize import quantize, quantize_mx
from .quantize_blocks import quantize_blocks
from .reduce import reduce_max, reduce_rows, reduce_sum
from .rms_norm import layer_norm, rms_norm
from .rope import rope
from .softmax import softmax
from .swiglu import swiglu
from .unary import (
    exp,
    exp2,
    gelu_sigmoid,
    gelu_tanh,
    reciprocal,
    rsqrt,
    sigmoid,
    silu,
    sqrt,
)

__all__ = [
    "ExactnessError",
    "MxTensor",
    "add",
    "affine_scale",
    "attention",
    "cast",
    "exp",
    "exp2",
    "gelu_sigmoid",
    "gelu_tanh",
    "hadamard",
    "layer_norm",
    "matmul",
    "max",
    "min",
    "mul",
    "neg",
    "quantize",
    "quantize_affine",
    "quantize_blocks",
    "quantize_mx",
    "reciprocal",
    "reduce_max",
    "reduce_rows",
    "reduce_sum",
    "rms_norm",
    "rope",
    "round_once",
    "rsqrt",
    "sigmoid",
    "silu",
    "softmax",
    "sqrt",
    "sub",
    "swiglu",
]
