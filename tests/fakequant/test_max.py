"""max and min equal golden's."""

from __future__ import annotations

import pytest

from plena_cosim import fakequant, golden

from .samples import FORMATS, label, pairs, values


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("fmt", FORMATS, ids=label)
def test_pairs(fmt, name, assert_same) -> None:
    a, b = pairs(fmt)
    ours = getattr(fakequant, name)(values(a, fmt), values(b, fmt), fmt)
    assert_same(ours, golden.decode(getattr(golden.ops, name)(a, b, fmt), fmt))
