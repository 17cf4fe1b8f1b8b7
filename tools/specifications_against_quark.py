"""Values of every specification of a tensor beside those of AMD Quark 0.13.

    pip install ninja
    pip install --no-deps --target QUARK amd-quark==0.13
    python -m tools.specifications_against_quark QUARK

Quark compiles its kernels when it is imported first, some minutes; what else it imports and is not
installed becomes a stub. A row is a
specification and a dtype: values that were compared, and those that differ. Each specification sees
Gaussian values, values over 24 binades, chosen ones (ties, thresholds of scale rules, both zeros),
and the ends of float32.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from plena_cosim.interop.quark import fake_quantize
from plena_cosim.interop.quark.quantization.config import config as ours
from plena_cosim.interop.quark.quantization.config.data_types import DATA_TYPES

from . import ranges_against_peers

COLUMNS = 64
STUBS = [name for name in ranges_against_peers.STUBS if not name.startswith("quark")]
ALWAYS_DYNAMIC = ("MX6Spec", "MX9Spec", "BFP16Spec", "Float16Spec", "Bfloat16Spec")

MORE: list[tuple[str, dict[str, Any], torch.dtype]] = [
    ("FP4PerGroupSpec", {"scale_format": "e4m3", "group_size": 16}, torch.float32),
    ("FP4PerGroupSpec", {"scale_format": "e8m0", "group_size": 32}, torch.float32),
    ("FP8E4M3PerGroupSpec", {"scale_format": "e8m0", "group_size": 32}, torch.float32),
    ("OCP_MXFP4Spec", {"scale_calculation_mode": "floor"}, torch.float32),
    ("OCP_MXFP4Spec", {"scale_calculation_mode": "ceil"}, torch.float32),
    ("OCP_MXINT8Spec", {"scale_calculation_mode": "floor"}, torch.float32),
    ("OCP_MXINT8Spec", {"scale_calculation_mode": "ceil"}, torch.float32),
    ("Int8PerChannelSpec", {"symmetric": True, "ch_axis": 0}, torch.float32),
    ("Uint4PerChannelSpec", {"zero_point_type": "float32", "ch_axis": 0}, torch.float32),
    ("Int8PerTensorSpec", {"scale_type": "float16"}, torch.float32),
    ("Int8PerTensorSpec", {"scale_type": "bfloat16"}, torch.float32),
    ("Int8PerTensorSpec", {}, torch.bfloat16),
    ("FP8E4M3PerTensorSpec", {}, torch.bfloat16),
    ("OCP_MXFP4Spec", {}, torch.bfloat16),
    ("MX9Spec", {}, torch.bfloat16),
]
"""Arguments that no class has by itself."""


def data() -> dict[str, Tensor]:
    """Return tensors (…, 64) float32 by what they are."""
    draw = torch.Generator().manual_seed(0)
    gaussian = torch.randn(16, COLUMNS, generator=draw)
    binades = torch.randint(-12, 12, (16, COLUMNS), generator=draw)
    wide = torch.randn(16, COLUMNS, generator=draw) * torch.exp2(binades.float())
    halves = torch.arange(-32, 32)[None] / 2 + 0.5
    small = torch.cat([halves * 2.0**-140, halves * 2.0**-126])
    return {
        "Gaussian": gaussian,
        "24 binades": wide,
        "chosen": chosen(),
        "below 2^-120": small,
        "above 2^120": halves * 2.0**118,
    }


def chosen() -> Tensor:
    """Return values at and beside what formats decide by, (…, 64)."""
    rows = []
    for amax in (1.0, 1.25, 1.5, 1.75, 1.875, 1.9375, 1.984375, 1.9921875, 2.0, 6.0, 7.5, 127.5):
        for beside in (0.0, 1.0, -1.0):
            top = torch.nextafter(torch.tensor(amax), torch.tensor(amax + beside))
            steps = torch.arange(-31, 33) / 64
            row = top * steps
            row[0] = top
            rows.append(row)
    halves = torch.arange(-32, 32) / 2 + 0.5
    rows += [halves, halves / 8, torch.full((COLUMNS,), 0.7), torch.zeros(COLUMNS)]
    zeros = torch.zeros(COLUMNS)
    zeros[::2] = -0.0
    zeros[1] = 1.0
    return torch.stack([*rows, zeros])


def arguments(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a class with what it needs, dynamic.

    Args:
        name: of the class.
        given: arguments beside these.
    """
    known = {field.name for field in fields(DATA_TYPES[name])}
    usual = {
        "ch_axis": 0 if "Channel" in name else -1,
        "group_size": 16,
        "block_size": 32,
        "is_dynamic": True,
    }
    if name in ALWAYS_DYNAMIC:
        del usual["is_dynamic"]
    return {key: value for key, value in usual.items() if key in known} | given


def quarks(name: str, given: dict[str, Any], x: Tensor) -> Tensor:
    """Return Quark's values of a tensor.

    Args:
        name: of the class.
        given: its arguments.
        x: the tensor.
    """
    config = importlib.import_module("quark.torch.quantization.config.config")
    quantize = importlib.import_module("quark.torch.quantization.tensor_quantize")
    spec = getattr(config, name)(**given).to_quantization_spec()
    made = quantize.FakeQuantizeBase.get_fake_quantize(spec)
    for switch in ("enable_observer", "enable_fake_quant"):
        getattr(made, switch, lambda: None)()
    made(x)  # an observer sees it
    values: Tensor = made(x)
    return values


def main() -> None:
    """Compare every class and show a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("quark", type=Path, help="folder into which amd-quark 0.13 was installed")
    vars(ranges_against_peers)["STUBS"] = STUBS
    sys.meta_path.insert(0, ranges_against_peers.Stubs())
    sys.path.insert(0, str(parser.parse_args().quark))
    table = Table("specification", "dtype", "values", "differ", "where", title="amd-quark")
    usual: list[tuple[str, dict[str, Any], torch.dtype]] = [
        (name, {}, torch.float32) for name in DATA_TYPES
    ]
    for name, given, dtype in [*usual, *MORE]:
        given = arguments(name, given)
        count, differ, static = 0, {}, False
        for kind, x in data().items():
            x = x.to(dtype)
            spec = getattr(ours, name)(**given)
            mine = fake_quantize(x, spec, dynamic=True)
            try:
                theirs = quarks(name, given, x)
            except RuntimeError:  # Quark has no kernel for CPUs; static, of the same tensor
                theirs, static = quarks(name, given | {"is_dynamic": False}, x), True
            same = (mine == theirs) | (mine.isnan() & theirs.isnan())
            count += same.numel()
            if not bool(same.all()):
                differ[kind] = int((~same).sum())
        words = ", ".join(f"{key} {value}" for key, value in given.items() if key != "is_dynamic")
        where = ", ".join(f"{kind} {number}" for kind, number in differ.items())
        named = f"{name}({words})" + (", static in Quark" if static else "")
        kind = str(dtype).removeprefix("torch.")
        table.add_row(named, kind, str(count), str(sum(differ.values())), where)
    Console().print(table)


if __name__ == "__main__":
    main()
