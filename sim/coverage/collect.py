"""Count what a case's inputs and golden results are, kind by kind, while they are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plena_cosim.golden import Mx, Scalar, decode
from plena_cosim.golden.ops.op import without_micro
from plena_cosim.golden.ops.registry import Op, Port
from plena_cosim.ground.record import commit, write_record

from ..cases.table import Case
from ..stimuli.stimuli import is_exhaustive, is_scalar
from ..stimuli.vectors import drives_every_code
from .bins import (
    BLOCK_KINDS,
    Partition,
    block_features,
    byte_partition,
    feature_counts,
    flag_partition,
    scalar_partition,
    scale_partition,
)
from .events import EVENTS, EXACT, event_counts
from .reach import (
    ideal_exponents,
    impossible_events,
    impossible_kinds,
    impossible_scales,
    is_lanewise,
    scale_limits,
)

Arrays = Mapping[str, npt.NDArray[Any]]
Counts = npt.NDArray[np.int64]

THINNED_CODES = 1 << 16
"""Chunks of more codes are thinned for a group that has nothing left to find."""
THINNING = 16


@dataclass(frozen=True, kw_only=True)
class Group:
    """Bins that are counted together."""

    name: str
    bins: tuple[str, ...]
    count: Callable[[Arrays, Arrays], Counts]
    """Counts by bin, of inputs and golden outputs."""
    impossible: frozenset[str] = frozenset()
    every_input: bool = False
    """Whether all stimuli together try all that this group depends on."""


def groups_of(case: Case) -> tuple[Group, ...]:
    """Return the groups of bins of a case: all that its ports and formats have."""
    case = replace(case, formats=without_micro(case.formats))
    op, formats = case.op, case.formats
    groups = [
        group
        for side, ports in (("in", op.inputs), ("out", op.outputs))
        for port in ports
        for group in _port_groups(side, port, case)
    ]
    if is_scalar(op) and len(op.inputs) == 2:
        groups.append(_cross(op, formats))
    if op.name in EXACT:
        groups.append(_events(case))
    if op.name in ("fp_to_mx", "fp_to_micro"):
        groups.append(_clamping(formats))
    return tuple(groups)


def _port_groups(side: str, port: Port, case: Case) -> list[Group]:
    which = 0 if side == "in" else 1
    fmt: Any = case.formats.get(port.fmt)
    is_output = side == "out"

    def histogram(partition: Partition) -> Callable[[Arrays, Arrays], Counts]:
        return lambda *arrays: partition.histogram(arrays[which][port.name])

    # An output may be called like an input.
    same = is_output and port.name in {given.name for given in case.op.inputs}
    name = f"{port.name} out" if same else port.name
    if port.kind in ("flag", "byte"):
        few = flag_partition() if port.kind == "flag" else byte_partition()
        return [Group(name=name, bins=few.names, count=histogram(few))]
    if port.kind == "scale":
        scales = scale_partition(fmt)
        gone = impossible_scales(case.formats["src"], fmt) if is_output else set()
        known = frozenset(gone & set(scales.names))
        return [Group(name=name, bins=scales.names, count=histogram(scales), impossible=known)]
    scalar: Scalar = fmt.element if isinstance(fmt, Mx) else fmt
    kinds = scalar_partition(scalar)
    gone = impossible_kinds(case.op, port.name, case.formats, case.modes) if is_output else set()
    groups = [
        Group(
            name=name,
            bins=kinds.names,
            count=histogram(kinds),
            impossible=frozenset(gone & set(kinds.names)),
            every_input=is_lanewise(case.op) and drives_every_code(case.op, case.formats),
        )
    ]
    if port.is_array():
        groups.append(_features(name, which, port, scalar, case, kinds, gone))
    return groups


def _features(
    title: str, which: int, port: Port, fmt: Scalar, case: Case, kinds: Partition, gone: set[str]
) -> Group:
    """Return the features of whole rows; those that need a kind the port cannot have are gone."""
    lanes = port.lanes(case.formats)

    def left(*labels: str) -> bool:
        return any(f"{sign}{label}" in set(kinds.names) - gone for label in labels for sign in "+-")

    possible = {
        "special inside": left("Inf", "NaN"),
        "largest is the format's": left("largest finite", "largest", "one unit"),
    }
    return Group(
        name=f"{title} rows",
        bins=block_features(fmt, lanes),
        count=lambda *arrays: feature_counts(arrays[which][port.name], fmt),
        impossible=frozenset(
            name
            for name in block_features(fmt, lanes)
            if name in BLOCK_KINDS and not possible.get(name, True)
        ),
    )


def _cross(op: Op, formats: Mapping[str, Any]) -> Group:
    left, right = op.inputs
    first, second = scalar_partition(formats[left.fmt]), scalar_partition(formats[right.fmt])
    width = len(second.names)

    def count(inputs: Arrays, outputs: Arrays) -> Counts:
        pairs = first.classify(inputs[left.name]).astype(np.intp) * width
        pairs += second.classify(inputs[right.name])
        return np.bincount(pairs, minlength=len(first.names) * width)

    bins = tuple(f"{a} × {b}" for a in first.names for b in second.names)
    return Group(name=f"{left.name} × {right.name}", bins=bins, count=count)


def _events(case: Case) -> Group:
    op, formats = case.op, case.formats
    name, exact = EXACT[op.name]
    fmt = formats[op.outputs[0].fmt]
    dst: Scalar = fmt.element if isinstance(fmt, Mx) else fmt

    def count(inputs: Arrays, outputs: Arrays) -> Counts:
        values = exact(inputs, outputs, formats)
        return event_counts(values.ravel(), outputs[name].ravel(), dst)

    gone = frozenset(impossible_events(op, formats, case.modes))
    return Group(name=f"{name} rounding", bins=EVENTS, count=count, impossible=gone)


def _clamping(formats: Mapping[str, Any]) -> Group:
    """Return whether the scale wanted to be smaller or larger than its format allows."""
    src, mx = formats["src"], formats["mx"]
    bins = ("surely clamped to the smallest", "surely clamped to the largest")
    limits = dict(zip(bins, scale_limits(src, mx), strict=True))

    def count(inputs: Arrays, outputs: Arrays) -> Counts:
        values = np.abs(decode(inputs["x"], src))
        amax = np.where(np.isfinite(values), values, 0.0).max(axis=1)
        exponents = np.frexp(amax[amax > 0])[1].astype(np.int64) - 1
        low, high = ideal_exponents(exponents, mx)
        return np.array([(high < mx.min_scale_exp).sum(), (low > mx.max_scale_exp).sum()])

    gone = frozenset(name for name in bins if not limits[name])
    return Group(name="scale clamping", bins=bins, count=count, impossible=gone)


@dataclass(kw_only=True)
class Coverage:
    """Counts of one case's bins."""

    case: Case
    groups: tuple[Group, ...] = ()
    counts: dict[str, Counts] = field(default_factory=dict)
    vectors: int = 0
    whole: bool = False
    """Whether the beats were all of the case's stimuli."""

    def __post_init__(self) -> None:
        self.groups = groups_of(self.case)
        self.counts = {group.name: np.zeros(len(group.bins), np.int64) for group in self.groups}

    def is_proof(self, group: Group) -> bool:
        """Whether every input there is was tried, so that what was not hit cannot be."""
        every = group.every_input or is_exhaustive(self.case.op, self.case.formats)
        return self.whole and every

    def add(self, inputs: Arrays, outputs: Arrays) -> None:
        """Count one chunk of inputs and golden's outputs, all of it while a bin may be missing."""
        self.vectors += len(inputs[self.case.op.inputs[0].name])
        thin = (
            (inputs, outputs) if self.case.op.result_when else (_thinned(inputs), _thinned(outputs))
        )
        for group in self.groups:
            chosen = thin if self._is_complete(group) else (inputs, outputs)
            self.counts[group.name] += group.count(*chosen)

    def _is_complete(self, group: Group) -> bool:
        missing = np.flatnonzero(self.counts[group.name] == 0)
        return all(group.bins[index] in group.impossible for index in missing)

    def merge(self, groups: Mapping[str, Mapping[str, int]], *, vectors: int, whole: bool) -> None:
        """Add recorded counts; bins that the case does not have any more are dropped.

        Args:
            groups: counts by the name of a group and of a bin.
            vectors: beats that they come from.
            whole: whether those were all inputs that there are.
        """
        self.vectors += vectors
        self.whole |= whole
        for group in self.groups:
            recorded = groups.get(group.name, {})
            self.counts[group.name] += np.array([recorded.get(name, 0) for name in group.bins])

    def record(self) -> dict[str, Any]:
        """Return what `merge` takes, and more for readers, as JSON values."""
        return {
            "case": self.case.id,
            "vectors": self.vectors,
            "whole": self.whole,
            "groups": {
                group.name: dict(zip(group.bins, map(int, self.counts[group.name]), strict=True))
                for group in self.groups
            },
        }

    def save(self, folder: Path, *, seed: int) -> Path:
        """Write the counts of one run into `folder`, whole or not at all."""
        path = folder / f"{self.case.id}-s{seed}.json"
        write_record(path, {"commit": commit(), "seed": seed, **self.record()})
        return path


def _thinned(arrays: Arrays) -> Arrays:
    if max(codes.size for codes in arrays.values()) <= THINNED_CODES:
        return arrays
    return {name: codes[::THINNING] for name, codes in arrays.items()}
