"""Quantisers of other projects, each installed into a folder of its own below build/bench-peers."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import logging
import os
import subprocess
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import Tensor

FOLDER = Path(__file__).resolve().parents[1] / "build" / "bench-peers"
Quantizer = Callable[[Tensor], Tensor]
"""Takes values (rows, columns), returns them quantised in blocks of 32 along the last axis."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A project that quantises to MX formats.

    Attributes:
        name: on PyPI.
        install: what pip installs, without dependencies: the rest is in the environment already.
        stubs: modules that it imports and that quantising does not call.
        rule: by which it chooses scales, as golden names them.
        quantizers: returns what it has, by the name of our format.
    """

    name: str
    install: tuple[str, ...]
    stubs: tuple[str, ...] = ()
    rule: str = "floor"
    quantizers: Callable[[], Mapping[str, Quantizer]]


def _torchao() -> Mapping[str, Quantizer]:
    mx = importlib.import_module("torchao.prototype.mx_formats.mx_tensor")

    def made(dtype: torch.dtype) -> Quantizer:
        def run(x: Tensor) -> Tensor:
            scale, codes = mx.to_mx(x, dtype, 32)
            values: Tensor = mx.to_dtype(codes, scale, dtype, 32, x.dtype)
            return values

        return run

    return {
        "mxfp4_e2m1": made(torch.float4_e2m1fn_x2),
        "mxfp8_e4m3": made(torch.float8_e4m3fn),
    }


def _quark() -> Mapping[str, Quantizer]:
    kernels = importlib.import_module("quark.torch.kernel.hw_emulation.hw_emulation_interface")

    def made(element: str) -> Quantizer:
        return lambda x: kernels.fake_quantize_mx(x, -1, 32, "even", mx_element_dtype=element)

    return {"mxint8": made("int8"), "mxfp4_e2m1": made("fp4"), "mxfp8_e4m3": made("fp8_e4m3")}


def _modelopt() -> Mapping[str, Quantizer]:
    four = importlib.import_module("modelopt.torch.quantization.qtensor.mxfp4_tensor").MXFP4QTensor
    eight = importlib.import_module("modelopt.torch.quantization.qtensor.mxfp8_tensor").MXFP8QTensor

    def made(kind: Any, *size: int) -> Quantizer:
        def run(x: Tensor) -> Tensor:
            codes, scale = kind.quantize(x, *size)
            values: Tensor = codes.dequantize(x.dtype, scale=scale, block_sizes={-1: 32})
            return values

        return run

    return {"mxfp4_e2m1": made(four, 32), "mxfp8_e4m3": made(eight)}


def _brevitas() -> Mapping[str, Quantizer]:
    nn = importlib.import_module("brevitas.nn")
    mx = importlib.import_module("brevitas.quant.mx_quant_ocp")

    def made(quant: Any, **given: Any) -> Quantizer:
        layer = nn.QuantIdentity(quant, group_dim=-1, group_size=32, **given).eval()

        def run(x: Tensor) -> Tensor:
            with torch.no_grad():
                found = layer(x)
            values: Tensor = getattr(found, "value", found)
            return values

        return run

    return {
        "mxint8": made(mx.MXInt8Act),
        "mxfp4_e2m1": made(
            mx.MXFloat8e4m3Act, bit_width=4, exponent_bit_width=2, mantissa_bit_width=1
        ),
        "mxfp8_e4m3": made(mx.MXFloat8e4m3Act),
    }


PEERS = (
    Peer(name="torchao", install=("torchao==0.18.0",), quantizers=_torchao),
    Peer(
        name="amd-quark",
        install=("amd-quark==0.13", "ninja"),
        rule="even",
        stubs=("onnx", "onnxruntime", "onnxscript", "onnxslim", "evaluate", "zstandard", "joblib"),
        quantizers=_quark,
    ),
    Peer(
        name="nvidia-modelopt",
        install=("nvidia-modelopt==0.47.0", "nvidia-ml-py", "omegaconf"),
        rule="rceil",
        stubs=("pulp", "antlr4"),
        quantizers=_modelopt,
    ),
    Peer(
        name="brevitas",
        install=("brevitas==0.13.4", "dependencies==2.0.1", "unfoldNd"),
        quantizers=_brevitas,
    ),
)


def install() -> dict[str, str]:
    """Install every peer that is not there; return the reason of each that cannot be."""
    reasons = {}
    for peer in PEERS:
        target = FOLDER / peer.name
        if target.is_dir():
            continue
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--target", str(target), *peer.install]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reasons[peer.name] = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    return reasons


@dataclass(frozen=True, kw_only=True)
class Found:
    """A peer as it is here.

    Attributes:
        version: "" where it is not installed.
        quantizers: by the name of our format; empty where it cannot be imported.
        reason: why it takes no part, "" where it does.
        rule: by which it chooses scales.
    """

    version: str
    rule: str
    quantizers: Mapping[str, Quantizer]
    reason: str


def find_peers() -> dict[str, Found]:
    """Return every peer by name; one that is not installed or cannot be imported has a reason."""
    return {peer.name: _find(peer) for peer in PEERS}


def _find(peer: Peer) -> Found:
    folder = FOLDER / peer.name
    if not folder.is_dir():
        return Found(
            version="",
            rule=peer.rule,
            quantizers={},
            reason="not installed: make bench installs it",
        )
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # last: what the environment has is the environment's
    version = next(
        (
            each.version
            for each in importlib.metadata.distributions(path=[str(folder)])
            if each.name.lower() == peer.name
        ),
        "",
    )
    try:
        with _quiet(), _stubs(peer.stubs):
            quantizers = peer.quantizers()
    except Exception as error:  # whatever a peer raises, the others are measured
        return Found(
            version=version,
            rule=peer.rule,
            quantizers={},
            reason=f"{type(error).__name__}: {error}",
        )
    return Found(version=version, rule=peer.rule, quantizers=quantizers, reason="")


class _Stubs(MetaPathFinder, Loader):
    """Stands for modules that a peer imports and does not call here."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return the specification of a stub, for its names and what is in them."""
        known = any(name == each or name.startswith(f"{each}.") for each in self.names)
        return ModuleSpec(name, self, is_package=True) if known else None

    def create_module(self, spec: ModuleSpec) -> Any:
        """Return a module that has whatever is asked of it."""
        return MagicMock(name=spec.name, __path__=[], __spec__=spec, __version__="1.0.0")

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is left to do."""


@contextmanager
def _stubs(names: tuple[str, ...]) -> Iterator[None]:
    finder = _Stubs(tuple(name for name in names if not _there(name)))
    sys.meta_path.append(finder)  # asked last, for what is not installed
    os.environ.setdefault("TORCH_EXTENSIONS_DIR", str(FOLDER / "torch_extensions"))
    os.environ["PATH"] = os.pathsep.join([str(FOLDER / "amd-quark" / "bin"), os.environ["PATH"]])
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


@contextmanager
def _quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
