"""stage_observer: the observer of a stage of a SpecFormat whose range is static."""

from __future__ import annotations

from functools import partial

from plena_cosim.golden.affine import Grouping
from plena_cosim.golden.affine.format import as_affine
from plena_cosim.golden.blocks import TwoLevel

from ..recipe.spec_format import Stage
from .make_observer import make_observer
from .min_max import MinMaxObserver
from .observer import Observer
from .position import PositionObserver


def stage_observer(stage: Stage, *, of_rows: bool) -> Observer | PositionObserver:
    """Return an observer that has seen nothing.

    Args:
        stage: with a range. That of a format with two levels of scale is of its tensor scale.
        of_rows: of inputs or outputs, whose last axis alone has one length: a group along it has
            one range for all rows. Else each group of the tensor has its own.

    Raises:
        FormatError: the method does not take the stage's format or granularity.
    """
    assert stage.range is not None
    if isinstance(stage.fmt, TwoLevel):
        return MinMaxObserver(stage.range_granularity)
    make = partial(make_observer, stage.range, as_affine(stage.fmt))
    size = stage.granularity.group_size
    if of_rows and stage.granularity.kind is Grouping.GROUP and size is not None:
        return PositionObserver(size, make)
    return make(stage.granularity)
