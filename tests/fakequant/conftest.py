"""What the tests of fakequant share: one thread, and exact comparison with golden."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
import torch

from plena_cosim import golden

_NARROW = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def golden_quantize() -> Callable[..., npt.NDArray[np.float64]]:
    """golden.quantize(x).dequantize() rounded once to the dtype of x, by golden's own encoder."""

    def values(
        x: torch.Tensor, mx: golden.Mx, axis: int = -1, seed: int = 0
    ) -> npt.NDArray[np.float64]:
        exact = golden.quantize(x.double().numpy(), mx, axis, seed=seed).dequantize()
        if x.dtype == torch.float64:
            return exact
        fmt = golden.get_format(_NARROW[x.dtype])
        return golden.decode(golden.encode(exact, fmt, overflow="ieee"), fmt)

    return values


@pytest.fixture(scope="session")
def assert_same() -> Callable[[torch.Tensor, npt.NDArray[np.float64]], None]:
    """Equal in value and in the sign of zero; NaN equals NaN."""

    def check(ours: torch.Tensor, expected: npt.NDArray[np.float64]) -> None:
        got = ours.detach().double().cpu().numpy()
        assert got.shape == expected.shape
        both_nan = np.isnan(got) & np.isnan(expected)
        same = (got == expected) & (np.signbit(got) == np.signbit(expected))
        bad = ~(same | both_nan)
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            pytest.fail(
                f"{int(bad.sum())} differ; first at {place}: torch {got[place]!r}, "
                f"golden {expected[place]!r}"
            )

    return check
