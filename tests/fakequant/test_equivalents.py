"""Every op of the registry has its torch equivalent, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plena_cosim import fakequant
from plena_cosim.golden.ops import OPS

from .test_unary import NAMES as COMPARED_BY_TABLE

EQUIVALENTS: dict[str, Callable[..., Any]] = {
    "fp_to_mx": fakequant.quantize_mx,
    "fp_to_micro": fakequant.quantize_blocks,
    "fp_to_int": fakequant.quantize_affine,
    "fp_to_nvfp4": fakequant.quantize_blocks,
    "mx_dot": fakequant.matmul,
    "micro_dot": fakequant.matmul,
    "mx_pe": fakequant.matmul,
    "mx_tile": fakequant.matmul,
    "mx_mm": fakequant.matmul,
    "mx_mv": fakequant.matmul,
    "mx_bmm": fakequant.matmul,
    "online_softmax": fakequant.attention,
    "attention_step": fakequant.attention,
}
"""Ops that are a step of a torch function, or its function of another name."""

NO_EQUIVALENT = {
    "fp_abs": "torch.abs clears the sign of a value, and of a zero, as the op does",
    "fp_compare": "torch's <, == and isnan compare values as the op does",
    "mx_to_fp": "MxTensor holds values; fakequant.cast rounds them to the scalar format",
    "mx_requantize": "fakequant.quantize_mx of the values that an MxTensor holds",
    "nvfp4_dot": "no torch function multiplies blocks of nvfp4; quantize_blocks gives values",
    "hbm_store": "packed bytes hold the codes of quantize_mx; a tensor of values has no bytes",
    "hbm_load": "packed bytes hold the codes of quantize_mx; a tensor of values has no bytes",
}


def equivalent(name: str) -> Callable[..., Any] | None:
    """Return the torch function of an op, by golden's name where no other is given."""
    same: Callable[..., Any] | None = getattr(fakequant, OPS[name].golden.__name__, None)
    return EQUIVALENTS.get(name, same)


@pytest.mark.parametrize("name", OPS)
def test_every_op_has_a_torch_equivalent_or_a_reason(name: str) -> None:
    found, reason = equivalent(name), NO_EQUIVALENT.get(name)
    assert found or reason, (
        f"op {name} has no torch equivalent: write fakequant.{OPS[name].golden.__name__}, or say "
        f"in NO_EQUIVALENT of {Path(__file__).name} why torch needs none"
    )
    assert not (found and reason), f"op {name} has an equivalent, and a reason for none"


@pytest.mark.parametrize("name", sorted({*EQUIVALENTS, *NO_EQUIVALENT}))
def test_no_entry_is_left_over(name: str) -> None:
    assert name in OPS


@pytest.mark.parametrize("name", [name for name in OPS if equivalent(name)])
def test_every_equivalent_is_public_and_compared_with_golden(name: str) -> None:
    function = equivalent(name)
    assert function is not None
    assert function.__name__ in fakequant.__all__
    tests = Path(__file__).parent.glob("test_*.py")
    texts = [path.read_text(encoding="utf-8") for path in tests if path != Path(__file__)]
    assert function.__name__ in COMPARED_BY_TABLE or any(
        "golden" in text and function.__name__ in text for text in texts
    ), f"no test of {Path(__file__).parent.name} compares {function.__name__} with golden"
