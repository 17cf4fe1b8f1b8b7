"""The random bits of stochastic rounding are golden's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plena_cosim.fakequant.random_bits import random_bits
from plena_cosim.golden.rounding import random_bits as golden_random_bits


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1, -5, 2**70 + 3])
def test_every_seed_gives_goldens_bits(seed: int) -> None:
    index = np.concatenate([np.arange(1000), [2**31, 2**40, 2**62]])
    expected = golden_random_bits(seed, index.astype(np.uint64))
    np.testing.assert_array_equal(random_bits(seed, torch.from_numpy(index)).numpy(), expected)
