"""calibrated_format: the weight format of [gptq], with the keys that go with it."""

from __future__ import annotations

from dataclasses import replace

from plena_cosim.golden import FormatError, Mx, ScaleRule
from plena_cosim.golden.affine import AffineInt, Grouping, ScaledFp

from .calibration_tables import GptqTable, GptqWeightTable
from .formats import Format
from .role_format import FormatDefaults, role_format
from .selector import Selector
from .spec_format import SpecFormat, Stage
from .spec_table import spec_format

_OF_BLOCKS = (
    "quantile_search", "quantiles", "scale_neighbours", "clip_search_y", "descent_sweeps",
)  # fmt: skip
_OF_SPECS = ("static_groups", "block_size")
_QRONOS = "qronos"


def calibrated_format(table: GptqTable, shared: FormatDefaults, where: str) -> Mx | SpecFormat:
    """Return what a table calibrates weights to.

    Args:
        table: [gptq], checked key by key.
        shared: what all MX formats of the recipe have in common.
        where: file and table, for messages.

    Raises:
        FormatError: the format is none that can be calibrated, or a key belongs to another format
            or algorithm.
    """
    try:
        fmt = _format(table, shared)
    except FormatError as error:
        raise FormatError(f"{where[:-1]}.weight_config]: {error}") from None
    blocks = isinstance(fmt, Mx)
    given = table.model_fields_set
    for keys, whose, allowed in (
        (_OF_BLOCKS, "MX blocks", blocks),
        (_OF_SPECS, "formats with a scale a tensor, channel or group", not blocks),
        (("alpha", "beta"), f'algorithm = "{_QRONOS}"', table.algorithm == _QRONOS),
        (("damp_percent",), "the other algorithms", table.algorithm != _QRONOS),
    ):
        if not allowed and (foreign := sorted(given & set(keys))):
            raise FormatError(
                f"{where}: {', '.join(foreign)} belongs to {whose}; got {fmt.name} and algorithm = "
                f'"{table.algorithm}"; remove it'
            )
    grouped = isinstance(fmt, SpecFormat) and fmt.stages[0].granularity.kind is Grouping.GROUP
    if grouped and table.desc_act and not table.static_groups:
        raise FormatError(
            f"{where}: desc_act = true takes columns out of their groups, whose scales have to be "
            "known before; give static_groups = true too"
        )
    return fmt


def require_calibrated(selector: Selector, calibrated: Mx | SpecFormat | None, where: str) -> None:
    """Check a selector that takes calibrated weights.

    Args:
        selector: of a recipe.
        calibrated: the format of [gptq]; None: there is no such table.
        where: for messages.

    Raises:
        FormatError: nothing is calibrated, or to another format.
    """
    if not selector.gptq:
        return
    if calibrated is None:
        raise FormatError(f"{where}: gptq = true, but the recipe has no [gptq] table")
    weight = asked = selector.formats.weight
    if isinstance(weight, Mx) and isinstance(calibrated, Mx):
        asked = replace(weight, rounding=calibrated.rounding)
    if isinstance(weight, (Mx, SpecFormat)) and asked != calibrated:
        raise FormatError(
            f"{where}: gptq = true, but the weight is {_words(weight)} and "
            f"[gptq.weight_config] calibrates {_words(calibrated)}; give both the same format"
        )


def _format(table: GptqTable, shared: FormatDefaults) -> Mx | SpecFormat:
    given = table.weight_config
    if isinstance(given, GptqWeightTable) is (table.format == "spec"):
        wants = "element and its keys" if table.format == "spec" else "weight_ keys"
        raise FormatError(
            f'format = "{table.format}" takes {wants}; got {", ".join(given.given())}'
        )
    fmt: Format | None
    if isinstance(given, GptqWeightTable):
        fmt = role_format("weight", given.given(), table.format, shared)
    else:
        fmt = spec_format([given])
    if isinstance(fmt, SpecFormat):
        _require_columns(fmt.stages[0])
    assert isinstance(fmt, (Mx, SpecFormat))
    return fmt


def _require_columns(stage: Stage) -> None:
    """Raise FormatError unless a row's columns have scales that can be known one by one."""
    granularity, affine = stage.granularity, isinstance(stage.fmt, (AffineInt, ScaledFp))
    axes = {Grouping.CHANNEL: (0, -2), Grouping.GROUP: (1, -1)}.get(Grouping(granularity.kind))
    if not affine or (axes is not None and granularity.ch_axis not in axes):
        raise FormatError(
            f"{stage.name} cannot be calibrated; take an integer or minifloat by tensor, by "
            "channel of axis 0 or by group of axis 1, or MX blocks along axis 1"
        )


def _words(fmt: Mx | SpecFormat) -> str:
    if isinstance(fmt, SpecFormat):
        return fmt.name
    codes = "" if fmt.symmetric else ", full range"
    return f"{fmt.name}/{fmt.block_size} (scale rule {ScaleRule(fmt.scale_rule).value}{codes})"
