"""An array is the tensor's own memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plena_cosim.fakequant.kernels import as_array


@pytest.mark.parametrize(
    ("dtype", "array"),
    [
        (torch.float32, np.float32),
        (torch.float64, np.float64),
        (torch.bfloat16, np.int16),
        (torch.float16, np.int16),
        (torch.uint8, np.uint8),
    ],
)
def test_the_memory_is_the_tensors(dtype, array) -> None:
    x = torch.arange(6).to(dtype).view(2, 3).t()
    view = as_array(x)
    assert view.dtype == array
    assert view.shape == (3, 2)
    view[2, 1] = 0
    assert x[2, 1] == 0
