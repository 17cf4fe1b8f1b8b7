"""collect_ranges: the static ranges of inputs and outputs, from a run of the float model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress

from ..plan.plan import Plan
from ..ranges import Observer, PositionObserver, stage_observer
from ..recipe.selector import Selector
from ..recipe.spec_format import SpecFormat
from ..weights.spec_values import Range, RangeKey, Ranges, quantize_stage

ROLES = ("data_in", "data_out")


def needs_ranges(plans: Iterable[Plan]) -> bool:
    """Return whether the range of some input or output is static."""
    return any(_watched(plans))


def collect_ranges(
    model: nn.Module,
    plans: Sequence[Plan],
    samples: Iterable[Any],
    progress: Progress | None = None,
) -> Ranges:
    """Return what calibration data show of inputs and outputs with a static range.

    The model computes in floating point: nothing is quantised but what the stage before a static
    one gives, so that the model runs once more for each further stage.

    Args:
        model: in floating point; it is not changed.
        plans: of the model.
        samples: what the model is called with, one after the other: a tensor, or a mapping of
            arguments.
        progress: told of each sample.

    Raises:
        FormatError: a module was not called, or its values are not finite or change shape.
    """
    watched = list(_watched(plans))
    given = list(samples)
    if watched and not given:
        raise FormatError(
            "static ranges need calibration data, and there are no samples; give the pass tokens "
            "or samples"
        )
    depth = max((len(each.fmt.stages) for each in watched), default=0)
    for number in range(depth):
        wanted = [each for each in watched if each.observe(number)]
        if not wanted:
            continue
        _run(model, wanted, given, f"ranges, stage {number + 1}", progress)
        for each in wanted:
            each.keep()
        _share(watched, number)
    return {each.key(): each.ranges for each in watched}


@dataclass(kw_only=True, eq=False)
class _Watched:
    """One role of one module that is observed."""

    plan: Plan
    selector: Selector
    role: str
    fmt: SpecFormat
    ranges: list[Range | None] = field(default_factory=list)
    observer: Observer | PositionObserver | None = None

    def observe(self, number: int) -> bool:
        """Begin with a stage; return whether it has a static range."""
        self.observer = None
        if number >= len(self.fmt.stages):
            return False
        stage = self.fmt.stages[number]
        if stage.range is None:
            self.ranges.append(None)
            return False
        self.observer = stage_observer(stage, of_rows=True)
        return True

    def see(self, x: Tensor) -> None:
        """Look at an input or output of the module."""
        assert self.observer is not None
        if self.role == "data_in":
            x = self.plan.kind.observed_input(self.plan.module, self.selector, x)
        for stage, bounds in zip(self.fmt.stages, self.ranges, strict=False):
            x = quantize_stage(x, stage, bounds)
        try:
            self.observer.update(x)
        except FormatError as error:
            raise FormatError(f"{self.where()}: {error}") from None

    def keep(self) -> None:
        """Note what was seen as the range of the stage."""
        assert self.observer is not None
        if not self.observer.seen:
            raise FormatError(
                f"{self.where()}: has a static range, and the model did not call it with the "
                'calibration data; give other data, or range = "dynamic"'
            )
        self.ranges.append(self.observer.range())

    def key(self) -> RangeKey:
        """Return what the range depends on."""
        return self.plan.name, self.role, self.fmt, self.selector.online_rotate

    def where(self) -> str:
        """Return the place that a message names."""
        return f"{self.plan.where(self.selector)}: {self.role}"


def _watched(plans: Iterable[Plan]) -> Iterable[_Watched]:
    for plan in plans:
        for selector in plan.different():
            for role in () if plan.taken_by else ROLES:
                fmt = getattr(selector.formats, role)
                if isinstance(fmt, SpecFormat) and fmt.is_static:
                    yield _Watched(plan=plan, selector=selector, role=role, fmt=fmt)


@torch.no_grad()
def _run(
    model: nn.Module,
    wanted: Sequence[_Watched],
    samples: Sequence[Any],
    what: str,
    progress: Progress | None,
) -> None:
    handles = []
    try:
        for each in wanted:
            module = each.plan.module
            if each.role == "data_in":
                hook = partial(_input, each)
                handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))
            else:
                handles.append(module.register_forward_hook(partial(_output, each)))
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        for number, sample in enumerate(samples):
            if isinstance(sample, Mapping):
                moved = {
                    key: value.to(device) if isinstance(value, Tensor) else value
                    for key, value in sample.items()
                }
                model(**moved)
            else:
                model(sample.to(device))
            if progress is not None:
                progress(what, number + 1, len(samples))
    finally:
        for handle in handles:
            handle.remove()


def _input(
    each: _Watched, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    each.see(next(x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)))


def _output(each: _Watched, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
    each.see(output)


def _share(watched: Sequence[_Watched], number: int) -> None:
    """Give modules of one parent that share a range that of them together."""
    groups: dict[tuple[str, str, str], list[_Watched]] = {}
    for each in watched:
        if each.fmt.shared_by and len(each.ranges) > number and each.ranges[number] is not None:
            parent = each.plan.name.rpartition(".")[0]
            groups.setdefault((parent, each.fmt.shared_by, each.role), []).append(each)
    for members in groups.values():
        bounds = [bound for each in members if (bound := each.ranges[number]) is not None]
        if len({low.shape for low, _ in bounds}) > 1:
            raise FormatError(
                f"{members[0].where()}: shares its range with {members[1].plan.name!r}, which has "
                'another number of channels or groups; take granularity = "tensor"'
            )
        low = torch.stack([low for low, _ in bounds]).amin(0)
        high = torch.stack([high for _, high in bounds]).amax(0)
        for each in members:
            each.ranges[number] = low, high
