"""CPU kernels, compiled by numba where it is installed: the bits of torch's steps, sooner.

The extra `fast` brings numba. Torch's steps stay: where it is missing, on other devices, and as a
second opinion. A kernel's module imports numba, so that its caller imports it after `compiled`.
"""

from .choice import compiled, torch_steps
from .spread import spread
from .view import as_array

__all__ = ["as_array", "compiled", "spread", "torch_steps"]
