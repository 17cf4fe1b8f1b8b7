"""Which operations of a model run in blocks: by kind, by part, by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plena_cosim.ground.did_you_mean import did_you_mean

from .errors import CosimError

OPS = {
    "matmul": "matrix products, those of attention too, and quantising their operands",
    "softmax": "softmax of the scores",
    "rms_norm": "RMSNorm",
    "layer_norm": "LayerNorm",
    "rope": "rotary embedding",
    "silu": "SiLU, and both GELUs",
    "hadamard": "online rotations",
    "attention": "all between the projections: both products, scale, mask, softmax",
    "kv_cache": "quantising keys and values for the cache",
    "embedding": "rows of a quantised table",
    "residual": "residual sums and gate · up, of a model in the vector format's own dtype",
    "all": "all of these",
}
"""What may be chosen, and what it is."""

_BY_FUNCTION = {
    "matmul": "matmul",
    "softmax": "softmax",
    "rms_norm": "rms_norm",
    "layer_norm": "layer_norm",
    "rope": "rope",
    "silu": "silu",
    "gelu_sigmoid": "silu",
    "gelu_tanh": "silu",
    "swiglu": "silu",
    "hadamard": "hadamard",
}


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is computed in blocks; the rest stays with exact torch.

    Attributes:
        ops: names of `OPS`.
        layers: first and last layer of the stack, counted from 0; None: all, and what is outside.
    """

    ops: frozenset[str]
    layers: tuple[int, int] | None = None

    @classmethod
    def of(cls, ops: str, layers: str | None = None) -> Selection:
        """Read what a command line says.

        Args:
            ops: names with commas between them, or + where a comma means something else.
            layers: "3" or "2-5"; None: all of them.

        Raises:
            CosimError: an unknown name, or no such range.
        """
        names = [name.strip() for name in ops.replace("+", ",").split(",") if name.strip()]
        for name in names or [ops]:
            if name not in OPS:
                raise CosimError(
                    f"--ops: unknown operation {name!r}; known: {', '.join(OPS)}"
                    f"{did_you_mean(name, OPS)}"
                )
        return cls(ops=frozenset(names), layers=None if layers is None else _range(layers))

    def takes(self, function: str, part: str, layer: int | None) -> bool:
        """Whether an operation runs in blocks.

        Args:
            function: of fakequant, such as "matmul".
            part: what it is a part of, such as "rope".
            layer: its index in the stack; None outside of it.
        """
        if self.layers is not None:
            first, last = self.layers
            if layer is None or not first <= layer <= last:
                return False
        return bool(self.ops & {"all", part, _kind(function, part)})


def _kind(function: str, part: str) -> str:
    """Return what an operation is by itself."""
    if function == "quantize_mx" and part in ("matmul", "attention"):
        return "matmul"
    return _BY_FUNCTION.get(function, "")


def _range(given: str) -> tuple[int, int]:
    first, dash, last = given.partition("-")
    try:
        found = int(first), int(last if dash else first)
    except ValueError:
        found = (1, 0)
    if not 0 <= found[0] <= found[1]:
        raise CosimError(f"--layers: need a number such as 3 or a range such as 2-5, got {given!r}")
    return found


def layers_text(layers: Sequence[int] | None) -> str:
    """Return a range as a command line says it."""
    return "all" if layers is None else f"{layers[0]}-{layers[1]}"
