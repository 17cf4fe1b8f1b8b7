"""Whether this platform computes exactly, found out by trying it."""

from __future__ import annotations

import torch

from plena_cosim.golden.float_environment import ExactnessError, keeps_subnormals


def require_subnormals(device: torch.device) -> None:
    """ExactnessError where this thread flushes subnormals to zero."""
    if device.type == "cpu":  # torch computes in this thread's mode, and Python too
        kept = keeps_subnormals()
    else:
        single = torch.float32  # not the default dtype, which a program may change
        smallest = torch.tensor([1.0], dtype=single, device=device)
        smallest.mul_(torch.finfo(single).tiny).mul_(0.5)
        kept = bool(smallest.ne(0).all()) and bool((smallest * 2.0).ne(0).all())
    if not kept:
        raise ExactnessError(
            "this thread flushes subnormal numbers to zero; "
            "call torch.set_flush_denormal(False) first"
        )


def require_exact_matmul(device: torch.device) -> None:
    """ExactnessError unless float32 matrix products on `device` carry all 24 bits.

    The settings are read first, because a library may use its fast kernels for some shapes only;
    then a small product with a known answer is tried.
    """
    require_exact_settings(device)
    # The sum needs 19 bits and an operand 13. (In float64: a narrow result would narrow a number
    # that it is compared with, too.)
    left = torch.full((16, 32), 4097.0, dtype=torch.float32, device=device)
    right = torch.full((32, 16), 127.0, dtype=torch.float32, device=device)
    if not bool(((left @ right).double() == 4097.0 * 127.0 * 32).all()):
        raise ExactnessError(
            f"float32 matrix products on {device} lose bits; switch reduced precision off "
            "(torch.backends.*.matmul.fp32_precision = 'ieee', no autocast)"
        )


def require_exact_settings(device: torch.device) -> None:
    """ExactnessError where torch is set to leave bits out; nothing is tried."""
    require_subnormals(device)
    precision = torch.get_float32_matmul_precision()
    if precision != "highest":
        raise ExactnessError(
            f"float32 matrix products run at precision {precision!r} (TF32 or bfloat16); "
            "call torch.set_float32_matmul_precision('highest') first"
        )
    if device.type == "cuda" and _allows_tf32():
        raise ExactnessError(
            "TF32 is allowed in CUDA matrix products; "
            "set torch.backends.cuda.matmul.allow_tf32 = False first"
        )


def _allows_tf32() -> bool:
    try:
        return bool(torch.backends.cuda.matmul.allow_tf32)
    except RuntimeError:  # the newer per-operator setting is in use
        return str(torch.backends.cuda.matmul.fp32_precision) == "tf32"
