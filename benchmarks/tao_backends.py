"""Compare the numbers of `plena quantize --spec` with those of torchao and NVIDIA modelopt.

    pip install --target build/tao torchao nvidia-modelopt
    PYTHONPATH=build/tao python benchmarks/tao_backends.py [--json FILE]

Beside each stands how many values and how many codes differ, and the largest difference of values
in steps of the format (one scale for int8). modelopt's int8 runs on CUDA alone: its three
operations (`fake_tensor_quant_device` of tensor_quant_gpu.cu) are written down here in torch.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from plena_cosim.evaluate.record import describe_run, write_json
from plena_cosim.golden.affine import AffineInt, Granularity
from plena_cosim.interop.tao import QuantizeTable, recipe_tables
from plena_cosim.passes.ranges import make_observer
from plena_cosim.passes.recipe.range_rule import RangeRule
from plena_cosim.passes.recipe.spec_format import SpecFormat
from plena_cosim.passes.recipe.spec_table import SpecTable, spec_format
from plena_cosim.passes.weights.spec_values import quantize_spec

E4M3_LARGEST = 448.0
DTYPES = {"int8": torch.int8, "fp8_e4m3fn": torch.float8_e4m3fn, "fp8_e5m2": torch.float8_e5m2}


def weights() -> Iterator[tuple[str, Tensor]]:
    """Return names and matrices (out, in)."""
    draw = torch.Generator().manual_seed(0)
    plain = torch.randn(512, 768, generator=draw) * 0.02
    yield "gaussian", plain
    yield "outliers", plain * torch.randn(512, 768, generator=draw).exp()
    yield "wide", plain * torch.exp2(torch.randint(-12, 12, (512, 1), generator=draw).float())
    ties = torch.randint(-255, 256, (512, 768), generator=draw).float() / 2
    ties[:, 0] = 127.0
    yield "ties", ties


def role(backend: str, dtype: str, which: str, algorithm: str = "minmax") -> SpecFormat:
    """Return the format that an experiment file gives a role."""
    given: dict[str, Any] = {"backend": backend}
    layer = {"module_name": "Linear", "weights": {"dtype": dtype}}
    if backend == "modelopt":
        given |= {"mode": "static_ptq", "algorithm": algorithm}
        layer["activations"] = {"dtype": dtype}
    tables = recipe_tables(QuantizeTable.model_validate({**given, "layers": [layer]}))
    made = spec_format([SpecTable.model_validate(tables["Linear"][which])])
    assert isinstance(made, SpecFormat)
    return made


def of_torchao(weight: Tensor, dtype: str) -> tuple[Tensor, Tensor]:
    """Return torchao's values, and its scales spread over them."""
    from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig, quantize_

    config = (
        Int8WeightOnlyConfig()
        if dtype == "int8"
        else Float8WeightOnlyConfig(weight_dtype=DTYPES[dtype])
    )
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight.clone(), requires_grad=False)
    quantize_(layer, config)
    made: Any = layer.weight.data
    return made.dequantize(), made.scale.expand(weight.shape)


def of_modelopt(weight: Tensor, dtype: str) -> tuple[Tensor, Tensor]:
    """Return modelopt's values, and its steps spread over them."""
    from modelopt.torch.quantization.calib.max import MaxCalibrator

    calibrator = MaxCalibrator(8, 0 if dtype == "int8" else None, False)
    calibrator.collect(weight)
    amax = calibrator.compute_amax()
    if dtype != "int8":
        from modelopt.torch.quantization.tensor_quant import fp8_eager

        return fp8_eager(weight, amax), (amax / E4M3_LARGEST).expand(weight.shape)
    scale = 127.0 / amax
    codes = (weight * scale).round().clamp(-127, 127)
    return codes / scale, (1 / scale).expand(weight.shape)


def compared(theirs: Tensor, steps: Tensor, ours: Tensor) -> dict[str, Any]:
    """Return how many values differ, how many by half a step or more, and by how much at most."""
    apart = ((theirs - ours).abs() / steps).nan_to_num()
    return {
        "values": ours.numel(),
        "values that differ": int((theirs != ours).sum()),
        "codes that differ": int((apart >= 0.5).sum()),
        "largest, in steps": float(apart.max()),
        "largest, relative": float(((theirs - ours).abs() / theirs.abs()).nan_to_num(0, 0).max()),
    }


def of_weights() -> Iterator[dict[str, Any]]:
    """Return a row for each backend, dtype and matrix."""
    peers: dict[str, Callable[[Tensor, str], tuple[Tensor, Tensor]]] = {
        "torchao": of_torchao,
        "modelopt": of_modelopt,
    }
    for backend, peer in peers.items():
        for dtype in DTYPES:
            if (backend, dtype) == ("modelopt", "fp8_e5m2"):
                continue  # it has no such format with one scale a tensor
            for name, weight in weights():
                theirs, steps = peer(weight, dtype)
                ours = quantize_spec(weight, role(backend, dtype, "weight"))
                what = {"backend": backend, "role": "weight", "dtype": dtype, "data": name}
                yield what | compared(theirs, steps, ours)


def of_ranges() -> Iterator[dict[str, Any]]:
    """Return a row for each algorithm: ranges of activations seen in eight batches."""
    from modelopt.torch.quantization.calib.histogram import HistogramCalibrator
    from modelopt.torch.quantization.calib.max import MaxCalibrator

    draw = torch.Generator().manual_seed(1)
    batches = [torch.randn(64, 256, generator=draw) for _ in range(8)]
    positive = [(each * torch.randn(64, 1, generator=draw).exp()).relu() for each in batches]
    for name, data in (("gaussian", batches), ("relu of outliers", positive)):
        for algorithm in ("minmax", "entropy"):
            theirs: Any = (
                MaxCalibrator(8, None, False)
                if algorithm == "minmax"
                else HistogramCalibrator(8, None, False, num_bins=2048)
            )
            method = {"minmax": "min_max", "entropy": "entropy"}[algorithm]
            fmt = AffineInt(bits=8, symmetric_codes=True)
            observer = make_observer(RangeRule(method), fmt, Granularity())
            for each in data:
                theirs.collect(each)
                observer.update(each)
            amax = theirs.compute_amax(*([] if algorithm == "minmax" else ["entropy"]))
            low, high = observer.range()
            yield {
                "role": "activation",
                "algorithm": algorithm,
                "data": name,
                "modelopt": float(amax),
                "here": float(torch.maximum(-low, high)),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with contextlib.redirect_stderr(io.StringIO()):
        rows, ranges = list(of_weights()), list(of_ranges())
    console = Console(width=120)
    for title, lines in (("weights", rows), ("ranges of activations", ranges)):
        table = Table(*lines[0], title=title)
        for line in lines:
            table.add_row(*(f"{x:.6g}" if isinstance(x, float) else str(x) for x in line.values()))
        console.print(table)
    packages = {name: version(name) for name in ("torchao", "nvidia-modelopt", "torch")}
    console.print(packages)
    if options.json:
        run = describe_run(seed=0, config_sha256=None)
        write_json(options.json, {"run": run, "peers": packages, "weights": rows, "ranges": ranges})


if __name__ == "__main__":
    main()
