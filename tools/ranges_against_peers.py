"""Ranges of calibration beside AMD Quark's observers and NVIDIA modelopt's histogram calibrator.

    pip download --no-deps -d WHEELS amd-quark==0.13 nvidia-modelopt==0.47.0
    python -m tools.ranges_against_peers WHEELS

The wheels are read where they are; what else they import and is not installed becomes a stub. A row
is a method, data and batches: the first scale of both, and how many are equal.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from zipfile import ZipFile

import torch
from torch import Tensor

from plena_cosim.fakequant import affine_scale
from plena_cosim.golden.affine import AffineInt, Granularity, ScaledFp
from plena_cosim.passes.ranges import make_observer
from plena_cosim.passes.recipe.range_rule import RangeRule

STUBS = (
    *("onnx", "onnxruntime", "onnxscript", "onnxslim", "evaluate", "zstandard", "pulp", "joblib"),
    "quark.torch.kernel",
)
"""Modules that observers do not call; Quark's kernels would be compiled."""

INT8 = AffineInt(bits=8, quotient="reciprocal")
ASYMMETRIC = AffineInt(bits=8, zero_point="int32", quotient="reciprocal")
UINT4 = AffineInt(bits=4, signed=False, zero_point="int32", quotient="reciprocal")
POW2 = AffineInt(bits=8, scale="pow2")
POW2_ZERO = AffineInt(bits=8, scale="pow2", zero_point="int32")
FP8 = ScaledFp(element="e4m3")
CHANNELS = Granularity(kind="channel", ch_axis=0)
GROUPS = Granularity(kind="group", ch_axis=-1, group_size=32)


class Stubs(MetaPathFinder, Loader):
    """Stands for modules that only other parts of the wheels need."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return a stub's specification for `STUBS` and what is in them."""
        stub = any(name == each or name.startswith(f"{each}.") for each in STUBS)
        return ModuleSpec(name, self, is_package=True) if stub else None

    def create_module(self, spec: ModuleSpec) -> Any:
        """Return a module that has whatever is asked of it."""
        return MagicMock(name=spec.name, __path__=[], __spec__=spec, __version__="1.0.0")

    def exec_module(self, module: Any) -> None:
        """Nothing is left to do."""


def data() -> dict[str, list[Tensor]]:
    """Return batches by what they are: one, several, heavy-tailed ones and constant ones."""
    draw = torch.Generator().manual_seed(0)
    gaussian = torch.randn(64, 1024, generator=draw)
    heavy = torch.distributions.StudentT(3.0)
    torch.manual_seed(0)
    tailed = heavy.sample((64, 1024))
    return {
        "Gaussian": [gaussian],
        "Gaussian, 4 batches": _quarters(gaussian),
        "heavy-tailed": [tailed],
        "heavy-tailed, 4 batches": _quarters(tailed),
        "positive": [gaussian.abs()],
        "constant 0.7": [torch.full((64, 1024), 0.7)],
    }


def _quarters(x: Tensor) -> list[Tensor]:
    return [x[:16], x[16:32], x[32:48], x[48:]]


def quark_scale(name: str, batches: list[Tensor], **fields: Any) -> Tensor:
    """Return (scales, 2): scales and zero points of one of Quark's observers after some batches.

    Args:
        name: of the observer.
        batches: what it sees.
        fields: arguments of QTensorConfig beside dtype's name, the observer and is_dynamic.
    """
    config = importlib.import_module("quark.torch.quantization.config.config")
    kinds = importlib.import_module("quark.torch.quantization.config.type")
    observers = importlib.import_module("quark.torch.quantization.observer.observer")
    dtype = kinds.Dtype[fields.pop("dtype")]
    scheme = kinds.QSchemeType[fields.pop("qscheme", "per_tensor")]
    fields.setdefault("symmetric", True)
    observer_cls = getattr(observers, name)
    spec = config.QTensorConfig(
        dtype=dtype, qscheme=scheme, observer_cls=observer_cls, is_dynamic=False,
        round_method=kinds.RoundType.half_even, scale_type=kinds.ScaleType.float32, **fields,
    )  # fmt: skip
    observer = observer_cls(spec)
    for batch in batches:
        observer(batch)
    scale, zero_point = observer._calculate_qparams()
    return _both(torch.as_tensor(scale), torch.as_tensor(zero_point))


@contextmanager
def modelopt(wheel: Path) -> Iterator[Any]:
    """Give modelopt's module of the histogram calibrator, the rest of the package a stub."""
    place = "modelopt/torch/quantization/calib/histogram.py"
    with ZipFile(wheel) as archive:
        source = archive.read(place).decode()
    package = "peer.torch.quantization.calib"
    outside = [
        "modelopt", "modelopt.torch", "modelopt.torch.utils", "peer", "peer.torch",
        "peer.torch.quantization", "peer.torch.quantization.nn", "peer.torch.quantization.utils",
        "peer.torch.quantization.tensor_quant", package, f"{package}.calibrator",
    ]  # fmt: skip
    before = {name: sys.modules.get(name) for name in outside}
    sys.modules.update({name: MagicMock(name=name, __path__=[]) for name in outside})
    base = type("_Calibrator", (), {"__init__": _keep})
    sys.modules[f"{package}.calibrator"]._Calibrator = base  # type: ignore[attr-defined]
    sys.modules["modelopt.torch.utils"].distributed.is_initialized.return_value = False
    module = types.ModuleType(f"{package}.histogram")
    module.__package__ = package
    exec(compile(source, place, "exec"), module.__dict__)
    yield module
    for name, each in before.items():
        if each is None:
            del sys.modules[name]
        else:
            sys.modules[name] = each


def _keep(self: Any, num_bits: int, axis: Any, unsigned: bool) -> None:
    self._num_bits, self._axis, self._unsigned = num_bits, axis, unsigned


def _both(scale: Tensor, zero_point: Tensor) -> Tensor:
    return torch.stack([scale.float().flatten(), zero_point.float().flatten()], -1)


def ours(rule: RangeRule, fmt: Any, batches: list[Tensor], granularity: Granularity) -> Tensor:
    """Return (scales, 2): scales and zero points that an observer's range gives.

    Args:
        rule: the method.
        fmt: what they are of.
        batches: what it sees.
        granularity: which values share one.
    """
    observer = make_observer(rule, fmt, granularity)
    for batch in batches:
        observer.update(batch)
    return _both(*affine_scale(*observer.range(), fmt))


TENSOR = Granularity()
QUARK: list[tuple[str, RangeRule, Any, Granularity, dict[str, Any]]] = [
    ("PerTensorMinMaxObserver", RangeRule(), INT8, TENSOR, {"dtype": "int8"}),
    ("PerTensorMinMaxObserver", RangeRule(), ASYMMETRIC, TENSOR,
     {"dtype": "int8", "symmetric": False}),
    ("PerTensorMinMaxObserver", RangeRule(), FP8, TENSOR, {"dtype": "fp8_e4m3"}),
    ("PerChannelMinMaxObserver", RangeRule(), INT8, CHANNELS,
     {"dtype": "int8", "qscheme": "per_channel", "ch_axis": 0}),
    ("PerGroupMinMaxObserver", RangeRule(), INT8, GROUPS,
     {"dtype": "int8", "qscheme": "per_group", "ch_axis": -1, "group_size": 32}),
    ("PerTensorPercentileObserver", RangeRule("percentile"), INT8, TENSOR, {"dtype": "int8"}),
    ("PerTensorPercentileObserver", RangeRule("percentile"), ASYMMETRIC, TENSOR,
     {"dtype": "int8", "symmetric": False}),
    ("PerTensorHistogramObserver", RangeRule("histogram"), INT8, TENSOR, {"dtype": "int8"}),
    ("PerTensorHistogramObserverPro", RangeRule("histogram_pro"), INT8, TENSOR,
     {"dtype": "int8"}),
    ("PerTensorHistogramObserverPro", RangeRule("histogram_pro"), ASYMMETRIC, TENSOR,
     {"dtype": "int8", "symmetric": False}),
    ("PerTensorHistogramObserverPro", RangeRule("histogram_pro"), UINT4, TENSOR,
     {"dtype": "uint4", "symmetric": False}),
    ("PerTensorPowOf2MinMaxObserver", RangeRule(), POW2, TENSOR, {"dtype": "int8"}),
    ("PerTensorPowOf2MinMaxObserver", RangeRule(), POW2_ZERO, TENSOR,
     {"dtype": "int8", "symmetric": False}),
    ("PerChannelPowOf2MinMaxObserver", RangeRule(), POW2, CHANNELS,
     {"dtype": "int8", "qscheme": "per_channel", "ch_axis": 0}),
    ("PerTensorMSEObserver", RangeRule("mse"), INT8, TENSOR, {"dtype": "int8"}),
    ("PerTensorMSEObserver", RangeRule("mse"), ASYMMETRIC, TENSOR,
     {"dtype": "int8", "symmetric": False}),
    ("PerTensorMSEObserver", RangeRule("mse"), FP8, TENSOR, {"dtype": "fp8_e4m3"}),
]  # fmt: skip
"""Of Quark's observers: the rule, what it is of, and what Quark calls that."""


def peers(wheels: Path) -> Iterator[tuple[str, str, str, Tensor, Tensor | str]]:
    """Yield method, format, data, our scales and zero points, and the peer's or its error.

    Args:
        wheels: the folder of the wheels.
    """
    (wheel,) = wheels.glob("amd_quark-0.13*.whl")
    sys.path.insert(0, str(wheel))
    sys.meta_path.insert(0, Stubs())
    for (name, rule, fmt, granularity, fields), (kind, batches) in (
        (row, each) for row in QUARK for each in data().items()
    ):
        if granularity == GROUPS and len(batches) > 1:
            continue  # Quark's keeps the last batch only
        try:
            theirs: Tensor | str = quark_scale(name, batches, **dict(fields))
        except Exception as error:
            theirs = f"{type(error).__name__}: {str(error)[:60]}"
        label = "asymmetric" if fields.get("symmetric") is False else "symmetric"
        mine = ours(rule, fmt, batches, granularity)
        yield name, f"{fmt.name} {label}", kind, mine, theirs
    (wheel,) = wheels.glob("nvidia_modelopt-*.whl")
    with modelopt(wheel) as module:
        for kind, batches in data().items():
            calibrator = module.HistogramCalibrator()
            for batch in batches:
                calibrator.collect(batch)
            amax = calibrator.compute_amax("entropy").float()
            mine = ours(RangeRule("entropy"), INT8, batches, TENSOR)
            theirs = _both(*affine_scale(-amax, amax, INT8))
            yield "modelopt entropy", "int8 symmetric", kind, mine, theirs


def main() -> None:
    """Print a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("wheels", type=Path, help="folder of the wheels")
    print("observer | format | data | ours | theirs | equal | largest difference of scales")
    for method, fmt, kind, mine, theirs in peers(parser.parse_args().wheels):
        row = f"{method} | {fmt} | {kind} | {_first(mine)} | "
        if isinstance(theirs, str) or mine.shape != theirs.shape:
            print(f"{row}{theirs} | |", flush=True)
            continue
        scales = mine[:, 0].double(), theirs[:, 0].double()
        far = float(((scales[0] - scales[1]).abs() / scales[1].abs()).max())
        count = f"{int((mine == theirs).all(-1).sum())} of {len(mine)}"
        print(f"{row}{_first(theirs)} | {count} | {far:.3g}", flush=True)


def _first(found: Tensor) -> str:
    scale, zero_point = found[0].tolist()
    return f"{scale:.8g}" if zero_point == 0 else f"{scale:.8g}, zero point {zero_point:.0f}"


if __name__ == "__main__":
    main()
