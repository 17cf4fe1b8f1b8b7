"""What the machine computes in each module, by golden's operations on codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from plena_cosim import golden
from plena_cosim.golden import HardwareConfig, Minifloat, Mx, ops

Codes = Any


def array(x: torch.Tensor) -> np.ndarray:
    return x.detach().double().numpy()


@dataclass(frozen=True, kw_only=True)
class Machine:
    """golden with one hardware configuration; reals in, codes of V out."""

    hw: HardwareConfig

    @property
    def v(self) -> Minifloat:
        return self.hw.vector_format

    def enter(self, x: np.ndarray, fmt: Minifloat | Mx | None = None, axis: int = -1) -> Codes:
        """Codes of V of reals that were brought to `fmt` first."""
        if isinstance(fmt, Mx):
            x = golden.quantize(x, fmt, axis=axis).dequantize()
        elif fmt is not None:
            x = golden.decode(golden.encode(x, fmt), fmt)
        return golden.encode(x, self.v)

    def real(self, codes: Codes) -> np.ndarray:
        return golden.decode(codes, self.v)

    def linear(
        self,
        x: np.ndarray,
        weight: np.ndarray,
        *,
        weight_mx: Mx,
        input_mx: Mx,
        bias: np.ndarray | None = None,
        bias_mx: Mx | None = None,
        rotation: int | None = None,
    ) -> Codes:
        """x (…, n), weight (m, n)."""
        rows = self.enter(x.reshape(-1, x.shape[-1]))
        if rotation:
            rows = ops.hadamard(rows, self.v, block=rotation)
        y = ops.matmul(
            golden.quantize(self.real(rows), input_mx),
            golden.quantize(weight.T, weight_mx, axis=0),
            self.hw,
        )
        if bias is not None:
            y = ops.add(y, self.enter(bias, bias_mx)[None], self.v)
        return y.reshape(*x.shape[:-1], -1)

    def rms_norm(self, x: Codes, gain: Codes, eps: float) -> Codes:
        hw, small = self.hw, self.enter(np.float64(eps))
        return ops.rms_norm(x, gain, small, self.v, hw.reduction_format, lanes=hw.vlen)

    def layer_norm(self, x: Codes, gain: Codes, shift: Codes, eps: float) -> Codes:
        hw, small = self.hw, self.enter(np.float64(eps))
        return ops.layer_norm(x, gain, shift, small, self.v, hw.reduction_format, lanes=hw.vlen)

    def attend(
        self,
        q: np.ndarray,
        k: np.ndarray,
        v: np.ndarray,
        seen: np.ndarray,
        *,
        scale: float,
        qk: Mx,
        av: Mx,
        softmax: Minifloat | None = None,
        bias: np.ndarray | None = None,
        sink: float | None = None,
        stored: bool = False,
        key_basis: int | None = None,
        value_basis: int | None = None,
        along_keys: int | None = None,
    ) -> Codes:
        """One head: q (m, d), k and v (n, d), seen (m, n).

        Args:
            bias: added to each query's scores, one number a key.
            stored: the keys lie in the cache in `qk` and do not pass through the vector unit.
            key_basis, value_basis: blocks by which k and v were rotated when they were cached.
            along_keys: blocks by which probabilities and values are rotated along the keys.
        """
        used = seen.any(axis=0)  # what nobody sees might as well not be there
        k, v, seen = k[used], v[used], seen[:, used]
        keys = k.T if stored else self.real(self.enter(k)).T
        scores = ops.matmul(
            golden.quantize(self.real(self.rotated(self.enter(q), key_basis)), qk),
            golden.quantize(keys, qk, axis=0),
            self.hw,
        )
        scores = ops.mul(scores, self.enter(np.float64(scale)), self.v)
        if bias is not None:
            scores = ops.add(scores, self.enter(bias[used])[None], self.v)
        if sink is not None:
            column = np.broadcast_to(self.enter(np.float64(sink)), (len(q), 1))
            scores = np.concatenate([column, scores], axis=1)
            seen = np.concatenate([np.ones((len(q), 1), dtype=bool), seen], axis=1)
        scores = self.enter(self.real(scores), softmax)
        hw = self.hw
        weights = ops.softmax(scores, seen, self.v, hw.reduction_format, lanes=hw.vlen)
        weights = weights[:, 1:] if sink is not None else weights
        weights[~seen[:, -k.shape[0] :].any(axis=1)] = 0
        values = self.enter(v)
        if along_keys:
            more = -len(values) % along_keys
            weights = self.rotated(np.pad(weights, ((0, 0), (0, more))), along_keys)
            values = self.rotated(np.pad(values, ((0, more), (0, 0))).T, along_keys).T
        output = ops.matmul(
            golden.quantize(self.real(weights), av),
            golden.quantize(self.real(values), av, axis=0),
            hw,
        )
        return self.rotated(output, value_basis, inverse=True)

    def rotated(self, x: Codes, block: int | None, *, inverse: bool = False) -> Codes:
        return x if block is None else ops.hadamard(x, self.v, block=block, inverse=inverse)
