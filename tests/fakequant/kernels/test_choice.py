"""Kernels are left out where they are not wanted, or cannot be."""

from __future__ import annotations

import os
import subprocess
import sys

import torch

from plena_cosim.fakequant.kernels import compiled, torch_steps


def test_tensors_of_this_memory_have_kernels() -> None:
    assert compiled(torch.ones(3), torch.ones(2, 2).t())
    assert not compiled(torch.ones(3), torch.ones(3, device="meta"))
    assert not compiled(torch.ones(3).to_sparse())
    assert not compiled(torch.ones(3, dtype=torch.complex64).conj().imag)  # its memory is not -x


def test_a_second_opinion_by_torch() -> None:
    with torch_steps():
        assert not compiled(torch.ones(3))
        with torch_steps():
            pass
        assert not compiled(torch.ones(3))
    assert compiled(torch.ones(3))


def test_the_environment_switches_kernels_off() -> None:
    program = "import torch; from plena_cosim.fakequant.kernels import compiled; "
    program += "assert not compiled(torch.ones(3))"
    given = {**os.environ, "PLENA_KERNELS": "off"}
    subprocess.run([sys.executable, "-c", program], env=given, check=True, timeout=120)
