"""Qronos against the two steps of its paper in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.passes.calibration.oracle import round_block, rule_exponent
from tests.passes.calibration.plain_reference import Grids, qronos
from tests.passes.calibration.test_spec_gptq import spec

from plena_cosim import golden
from plena_cosim.passes.calibration.damping import largest_eigenvalue
from plena_cosim.passes.calibration.fit import fit_matrices
from plena_cosim.passes.calibration.hessian import Hessian
from plena_cosim.passes.recipe.calibration_tables import GptqTable

N = 16
ALPHA = 1e-3


def table(**keys: object) -> GptqTable:
    given = {"format": "spec", "model_name": "none", "weight_config": {"element": "int4"}}
    return GptqTable.model_validate(
        given | {"algorithm": "qronos", "quantile_search": False, "scale_neighbours": 0} | keys
    )


def operands(seed: int) -> tuple[torch.Tensor, Hessian, np.ndarray, np.ndarray]:
    """Return a weight, what is summed, and the same sums H and G in float64."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(6, N, generator=generator)
    mixing = torch.randn(N, N, generator=generator) * 0.3 + torch.eye(N)
    wanted = torch.randn(200, N, generator=generator) @ mixing
    x = wanted + 0.2 * torch.randn(200, N, generator=generator)
    hessian = Hessian.zeros(N, unit=False, cross_gram=True, device=torch.device("cpu"))
    hessian.add(x, wanted)
    single = x.double().numpy()
    return weight, hessian, single.T @ single, single.T @ wanted.double().numpy()


def fitted(weight: torch.Tensor, hessian: Hessian, fmt: object, args: GptqTable) -> torch.Tensor:
    (found,) = fit_matrices([weight], fmt, hessian.gram, hessian.cross_gram, args)  # type: ignore[arg-type]
    return found.weight.values


@pytest.mark.parametrize("desc_act", [False, True])
@pytest.mark.parametrize(
    "keys", [{}, {"granularity": "channel", "zero_point": "int32"}, {"group_size": 8}]
)
def test_a_spec_is_fitted_as_in_the_paper(keys: dict[str, object], desc_act: bool) -> None:
    fmt = spec(element="int4", **keys)
    weight, hessian, h, g = operands(seed=1)
    order = sorted(range(N), key=lambda c: -h[c, c]) if desc_act else list(range(N))
    found = fitted(weight, hessian, fmt, table(alpha=ALPHA, desc_act=desc_act, static_groups=True))
    grids = Grids(weight.numpy(), fmt.stages[0], static=True)
    damping = ALPHA * np.linalg.eigvalsh(h)[-1]
    expected = qronos(weight.double().numpy(), h, g, damping, grids.round, order)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_a_group_is_entered_with_its_first_column_corrected() -> None:
    fmt = spec(element="int4", group_size=8)
    weight, hessian, h, g = operands(seed=2)
    found = fitted(weight, hessian, fmt, table(alpha=ALPHA))
    grids = Grids(weight.numpy(), fmt.stages[0], static=False)
    damping = ALPHA * np.linalg.eigvalsh(h)[-1]
    expected = qronos(weight.double().numpy(), h, g, damping, grids.round, list(range(N)))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("desc_act", [False, True])
def test_mx_blocks_are_fitted_as_in_the_paper(desc_act: bool) -> None:
    mx = golden.get_format("mxint4", block_size=4)
    weight, hessian, h, g = operands(seed=3)
    blocks = list(range(N // 4))
    if desc_act:
        blocks.sort(key=lambda block: -h.diagonal()[4 * block : 4 * block + 4].mean())
    order = [column for block in blocks for column in range(4 * block, 4 * block + 4)]
    exponents = np.zeros((len(weight), N // 4), int)

    def rounded(now: np.ndarray, index: int) -> np.ndarray:
        block = index // 4
        if index % 4 == 0:
            columns = now[:, index : index + 4]
            exponents[:, block] = [rule_exponent(row, mx) for row in columns]
        pairs = zip(now[:, [index]], exponents[:, block], strict=True)
        return np.concatenate([round_block(one, exponent, mx) for one, exponent in pairs])

    config = {"weight_block_size": 4, "weight_width": 4}
    args = table(format="mxint", weight_config=config, alpha=ALPHA, desc_act=desc_act)
    found = fitted(weight, hessian, mx, args)
    damping = ALPHA * np.linalg.eigvalsh(h)[-1]
    expected = qronos(weight.double().numpy(), h, g, damping, rounded, order)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_it_is_not_gptaq_and_errs_less_than_rounding() -> None:
    fmt = spec(element="int3", granularity="channel")
    weight, hessian, *_ = operands(seed=4)
    made = {
        name: fitted(weight, hessian, fmt, table(algorithm=name)) for name in ("gptaq", "qronos")
    }
    assert not torch.equal(made["gptaq"], made["qronos"])
    assert not torch.equal(made["gptaq"][:, 0], made["qronos"][:, 0])


def test_beta_changes_only_rounding() -> None:
    fmt = spec(element="int4", granularity="channel")
    weight, hessian, *_ = operands(seed=5)
    one, many = (fitted(weight, hessian, fmt, table(beta=beta)) for beta in (1.0, 3e4))
    assert torch.equal(one, many)


def test_a_column_that_is_always_zero_stays_as_it_was() -> None:
    fmt = spec(element="int8", granularity="channel")
    weight, _, *_ = operands(seed=6)
    x = torch.randn(100, N, generator=torch.Generator().manual_seed(1))
    x[:, 0] = 0
    hessian = Hessian.zeros(N, unit=False, cross_gram=True, device=torch.device("cpu"))
    hessian.add(x, x * 1.5)
    found = fitted(weight, hessian, fmt, table())
    torch.testing.assert_close(found[:, 0], weight[:, 0], rtol=0, atol=0.05)


def test_the_largest_eigenvalue() -> None:
    _, hessian, h, _ = operands(seed=7)
    assert largest_eigenvalue(hessian.gram) == pytest.approx(np.linalg.eigvalsh(h)[-1], rel=1e-3)
    assert largest_eigenvalue(torch.zeros(3, 3)) == 0.0
