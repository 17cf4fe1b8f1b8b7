"""How cost grows: with blocks, widths, elements, threads, tokens, the cache and the model."""

from __future__ import annotations

import copy
import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from plena_cosim import golden
from plena_cosim.fakequant import matmul, quantize, quantize_mx
from plena_cosim.ground.progress import Progress
from plena_cosim.passes import load_quant_config, quantize_module_transform_pass

from .effort import Effort
from .models import Size, decode, filled_cache, random_llama, subject
from .part import Part, Row, ratio_row
from .timing import Spread, race

RECIPE = Path(__file__).parent.parent / "configs" / "quant" / "llama_w4a4_mxint.toml"
LLAMAS = {
    "4 M": Size(hidden=128, inner=384, layers=2),
    "27 M": Size(hidden=512, inner=1408, layers=4),
    "138 M": Size(hidden=1024, inner=2816, layers=9),
    "1 B": Size(hidden=2048, inner=5632, layers=21),
}
"""Sizes by about how many parameters they have; those that are counted are written down."""


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return a row for each point of each curve."""
    curves: tuple[Callable[[Effort], Iterator[Row]], ...] = (
        _blocks,
        _widths,
        _elements,
        _threads,
        _tokens,
        _cache,
        _models,
    )
    rows: list[Row] = []
    for done, curve in enumerate(curves):
        progress("growth", done, len(curves))
        rows += curve(effort)
        gc.collect()
    progress("growth", len(curves), len(curves))
    return rows


def _matrix(edge: int) -> torch.Tensor:
    return torch.randn(edge, edge, generator=torch.Generator().manual_seed(0))


def _blocks(effort: Effort) -> Iterator[Row]:
    x = _matrix(2048 if effort.full else 256)
    target = torch.empty_like(x)
    for size in (8, 16, 32, 64, 128, 256) if effort.full else (8, 32):
        for name in ("mxint8", "mxfp4_e2m1"):
            mx = golden.get_format(name, block_size=size)
            work = {"copy": lambda: target.copy_(x), "quantize": lambda m=mx: quantize(x, m)}
            times = race(work, effort, at_most_seconds=3)
            row = ratio_row(times, "quantize", "copy", label=f"block size: quantize, {name}")
            yield replace(row, x=size)


def _widths(effort: Effort) -> Iterator[Row]:
    x = _matrix(2048 if effort.full else 256)
    target = torch.empty_like(x)
    for bits in (2, 4, 6, 8, 12, 16) if effort.full else (4, 8):
        work = {
            "copy": lambda: target.copy_(x),
            "quantize": lambda b=bits: quantize(x, f"mxint{b}"),
        }
        times = race(work, effort, at_most_seconds=3)
        row = ratio_row(times, "quantize", "copy", label="width: quantize, MXINT")
        yield replace(row, x=bits)


def _elements(effort: Effort) -> Iterator[Row]:
    for exponent in range(10, 31, 2) if effort.full else (10, 14):
        # Input, copy and result, 4 bytes each, beside what quantising takes.
        if 20 << exponent > _free_bytes():
            return
        x = torch.randn(1 << exponent, generator=torch.Generator().manual_seed(0))
        target = torch.empty_like(x)
        work = {
            "copy": lambda t=target, v=x: t.copy_(v),
            "quantize": lambda v=x: quantize(v, "mxint8"),
        }
        times = race(work, effort, at_most_seconds=5)
        row = ratio_row(times, "quantize", "copy", label="elements: quantize, mxint8")
        yield replace(row, x=1 << exponent)


def _free_bytes() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _threads(effort: Effort) -> Iterator[Row]:
    edge, before = (2048 if effort.full else 256), torch.get_num_threads()
    x, w = _matrix(edge), _matrix(edge)[:, : edge // 8]
    left, right = quantize_mx(x, "mxint8"), quantize_mx(w, "mxint8", 0)
    hw = golden.HardwareConfig()
    works = {
        "quantize, mxint8": lambda: quantize(x, "mxint8"),
        "matmul, mxint8": lambda: matmul(left, right, hw),
        "torch's matmul, float32": lambda: x @ w,
    }
    try:
        for name, work in works.items():
            alone: list[float] = []
            for threads in range(1, (os.cpu_count() or 1) + 1):
                torch.set_num_threads(threads)
                found = race({name: work}, effort, at_most_seconds=5)[name]
                alone = alone or found
                yield Row(
                    what=f"threads: {name}",
                    against="one thread",
                    figure=Spread.of([seconds / min(alone) for seconds in found]),
                    fastest=min(found) / min(alone),
                    seconds={name: Spread.of(found)},
                    x=threads,
                )
    finally:
        torch.set_num_threads(before)


def _tokens(effort: Effort) -> Iterator[Row]:
    most = 2048 if effort.full else 64
    base, ids = subject(full=effort.full, tokens=most)
    for numerics in ("fake", "exact"):
        model = copy.deepcopy(base)
        quantize_module_transform_pass(model, load_quant_config(RECIPE), numerics=numerics)
        for tokens in (64, 256, 1024, 2048) if effort.full else (64,):
            given = ids[:, :tokens]
            work = {"unquantised": lambda g=given: base(g), numerics: lambda m=model, g=given: m(g)}
            with torch.no_grad():
                times = race(work, effort, at_most_seconds=3)
            row = ratio_row(times, numerics, "unquantised", label=f"tokens: forward, {numerics}")
            yield replace(row, x=tokens)


def _cache(effort: Effort) -> Iterator[Row]:
    lengths = (128, 512, 2048, 4096) if effort.full else (16,)
    base, ids = subject(full=effort.full, tokens=lengths[-1] + 1)
    for numerics in ("fake", "exact"):
        model = copy.deepcopy(base)
        quantize_module_transform_pass(model, load_quant_config(RECIPE), numerics=numerics)
        for length in lengths:
            # Two caches of the same float model: what is in them makes no difference to time here.
            caches = [filled_cache(base, ids[:, :length]) for _ in range(2)]
            work = {
                "unquantised": lambda c=caches[0]: decode(base, c, ids[:, -1:]),
                numerics: lambda m=model, c=caches[1]: decode(m, c, ids[:, -1:]),
            }
            times = race(work, effort, at_most_seconds=3)
            row = ratio_row(times, numerics, "unquantised", label=f"cache: decode, {numerics}")
            yield replace(row, x=length)


def _models(effort: Effort) -> Iterator[Row]:
    """Time each model before and after it is quantised in place, so that one is in memory."""
    for size in LLAMAS.values() if effort.full else list(LLAMAS.values())[:1]:
        model = random_llama(size)
        count = sum(parameter.numel() for parameter in model.parameters())
        if 16 * count > _free_bytes():
            return
        ids = torch.arange(128)[None] % size.vocabulary
        with torch.no_grad():
            before = race({"": lambda m=model, g=ids: m(g)}, effort, at_most_seconds=10)[""]
            quantize_module_transform_pass(model, load_quant_config(RECIPE), numerics="exact")
            after = race({"": lambda m=model, g=ids: m(g)}, effort, at_most_seconds=20)[""]
        yield Row(
            what="parameters: forward of 128 tokens, exact",
            against="unquantised",
            figure=Spread.of([seconds / min(before) for seconds in after]),
            fastest=min(after) / min(before),
            seconds={"exact": Spread.of(after), "unquantised": Spread.of(before)},
            x=count,
            note="the unquantised model was timed before, not in turn",
        )


PART = Part(
    name="growth",
    about="The recipe of the models is llama_w4a4_mxint; random weights beside the demo model.",
    minutes=5,
    measure=measure,
)
