"""stage_observer: the observer that goes with a stage, of a weight or of inputs."""

from __future__ import annotations

import torch

from plena_cosim.passes.ranges import stage_observer
from plena_cosim.passes.recipe.spec_format import SpecFormat, Stage
from plena_cosim.passes.recipe.spec_table import SpecTable, spec_format

X = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))


def stage(**table: object) -> Stage:
    made = spec_format([SpecTable(**{"range": "min_max", **table})])
    assert isinstance(made, SpecFormat)
    return made.stages[0]


def test_groups_of_a_weight_have_their_own_range_those_of_inputs_one_for_all_rows() -> None:
    groups = stage(element="int8", group_size=4)
    for of_rows, shape in ((False, (4, 2)), (True, (2,))):
        observer = stage_observer(groups, of_rows=of_rows)
        observer.update(X)
        low, high = observer.range()
        assert low.shape == high.shape == shape


def test_tensors_and_channels_are_the_same_for_both() -> None:
    for keys, shape in (({}, ()), ({"granularity": "channel", "axis": -1}, (8,))):
        for of_rows in (False, True):
            observer = stage_observer(stage(element="fp8_e4m3", **keys), of_rows=of_rows)
            observer.update(X)
            assert observer.range()[0].shape == shape


def test_two_levels_of_scale_have_the_range_of_the_tensor() -> None:
    for element in ("nvfp4", "nvfp4_two_stage"):
        observer = stage_observer(stage(element=element), of_rows=True)
        observer.update(X)
        assert observer.range() == (X.min(), X.max())
