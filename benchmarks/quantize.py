"""Quantising a matrix: golden and fakequant against a copy, and against the peers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from plena_cosim import golden
from plena_cosim.fakequant import quantize
from plena_cosim.ground.progress import Progress

from .effort import Effort
from .part import Part, Row, ratio_row, speedup_row
from .peers import Found, Quantizer, find_peers
from .timing import Work, race

FORMATS = ("mxint4", "mxint8", "mxfp4_e2m1", "mxfp6_e2m3", "mxfp8_e4m3", "mxfp8_e5m2")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
COMPARED = ("mxint8", "mxfp4_e2m1", "mxfp8_e4m3")
"""Formats that peers have."""


def golden_values(x: Tensor, name: str, rule: str) -> Tensor:
    """Return the round trip through golden's codes, in float32, by a rule for scales."""
    mx = golden.get_format(name, scale_rule=rule)
    return torch.from_numpy(golden.quantize(x.numpy(), mx).dequantize("float32"))


def measure(effort: Effort, progress: Progress) -> list[Row]:
    """Return rows against a copy for each format and dtype, and against each peer."""
    edge = 4096 if effort.full else 512
    x = torch.randn(edge, edge, generator=torch.Generator().manual_seed(0))
    peers = find_peers() if effort.full else {}
    rows: list[Row] = []
    steps = len(FORMATS) * len(DTYPES) + len(COMPARED)
    for dtype in DTYPES:
        given = x.to(dtype)
        for name in FORMATS:
            progress("quantize", len(rows), steps)
            rows += _against_copy(given, name, effort)
    for name in COMPARED:
        progress("quantize", min(len(rows), steps - 1), steps)
        rows += _against_peers(x, name, peers, effort)
    progress("quantize", steps, steps)
    return rows


def _against_copy(x: Tensor, name: str, effort: Effort) -> list[Row]:
    target = torch.zeros_like(x)
    dtype = str(x.dtype).removeprefix("torch.")
    work: dict[str, Work] = {
        "copy": lambda: target.copy_(x),
        "fakequant.quantize": lambda: quantize(x, name),
    }
    if x.dtype == torch.float32 and name in COMPARED:
        array = x.numpy()
        work["golden.quantize"] = lambda: golden.quantize(array, name)
    times = race(work, effort)
    goals = {"fakequant.quantize": 2.0 if name.startswith("mxint") else 2.5, "golden.quantize": 8.0}
    return [
        ratio_row(times, who, "copy", label=f"{who}, {name} of {dtype}", at_most=goals[who])
        for who in work
        if who != "copy"
    ]


def _against_peers(x: Tensor, name: str, peers: Mapping[str, Found], effort: Effort) -> list[Row]:
    """Return how many times faster fakequant is than each peer, and how many values differ."""
    runners: dict[str, tuple[Quantizer, str]] = {
        "eager torch": (lambda t: eager_torch(t, name), "floor")
    }
    for who, peer in peers.items():
        if name in peer.quantizers:
            runners[f"{who} {peer.version}"] = peer.quantizers[name], peer.rule
    want = {rule: golden_values(x, name, rule) for _, rule in runners.values()}
    work: dict[str, Work] = {"fakequant.quantize": lambda: quantize(x, name)}
    work |= {who: lambda run=run: run(x) for who, (run, _) in runners.items()}
    times = race(work, effort, at_most_seconds=15)
    assert torch.equal(quantize(x, name), want["floor"])
    best = min(runners, key=lambda who: min(times[who]))
    return [
        speedup_row(
            times,
            "fakequant.quantize",
            who,
            label=f"times faster than {who}, {name} of float32",
            at_least=8.0 if who == best else None,
            note=f"{int((run(x) != want[rule]).sum()):,} of its {x.numel():,} values differ from "
            f"golden's by the rule `{rule}`",
        )
        for who, (run, rule) in runners.items()
    ]


def eager_torch(x: Tensor, name: str) -> Tensor:
    """Return what one writes first: reshape, amax, frexp, round, clamp."""
    mx = golden.get_format(name)
    element = mx.element
    blocks = x.unflatten(-1, (-1, mx.block_size))
    amax = blocks.abs().amax(-1, keepdim=True)
    exp = (torch.frexp(amax).exponent - 1 - element.emax).clamp(mx.min_scale_exp, mx.max_scale_exp)
    scaled = torch.ldexp(blocks, -exp)
    if isinstance(element, golden.Minifloat):
        binade = (torch.frexp(scaled).exponent - 1).clamp(min=element.emin)
        unit = torch.ldexp(torch.ones_like(scaled), binade - element.man_bits)
    else:
        unit = torch.tensor(2.0**element.lsb_exp)
    rounded = ((scaled / unit).round() * unit).clamp(-element.max_value, element.max_value)
    return torch.ldexp(rounded, exp).flatten(-2)


PART = Part(
    name="quantize",
    about="A 4096 × 4096 matrix in blocks of 32, one thread; peers in the same rounds.",
    minutes=3,
    measure=measure,
    quick=True,
)
