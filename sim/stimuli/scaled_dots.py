"""Beats for dots with minifloat scales: one product that is a corner of the accumulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from plena_cosim.golden import Minifloat, Scalar, encode
from plena_cosim.golden.ops.registry import Op

from ..player.harness import CodeArray, input_ports


def scaled_dot_corners(op: Op, formats: Mapping[str, Any]) -> dict[str, CodeArray]:
    """Return sums of one product: ±1, ±the smallest and largest powers of two, as far as they go.

    Each starts anew; then the smallest unit comes off, which makes the largest subnormal of the
    smallest normal.

    Args:
        op: of the registry; its scales are of a minifloat.
        formats: its arguments by name: formats and sizes.
    """
    acc: Scalar = formats["acc"]
    lowest = acc.emin if isinstance(acc, Minifloat) else acc.lsb_exp
    steps = [
        step
        for target in (0, lowest, acc.lsb_exp, acc.emax, acc.emax + 1)
        for sign in (0, 1)
        for step in ((target, sign, 1), (acc.lsb_exp, 1 - sign, 0))
    ]
    left, negative, first = (np.array(column) for column in zip(*steps, strict=True))
    beats: dict[str, CodeArray] = {"first": first}
    for name in ("a_scale", "b_scale", "a_codes", "b_codes"):
        fmt: Minifloat = formats["scale" if name.endswith("scale") else "element"]
        exps = np.clip(left, fmt.lsb_exp, fmt.emax)
        left = left - exps
        beats[name] = encode(np.ldexp(1.0, exps), fmt).astype(np.uint64)
    beats["a_codes"] |= negative.astype(np.uint64) * np.uint64(formats["element"].sign_mask)
    rows = {}
    for port in input_ports(op, formats):
        alone = np.arange(port.lanes) == 0
        rows[port.name] = (beats[port.name][:, None] * alone).reshape(port.shape(len(steps)))
    return {port.name: rows[port.name].astype(port.dtype) for port in input_ports(op, formats)}
