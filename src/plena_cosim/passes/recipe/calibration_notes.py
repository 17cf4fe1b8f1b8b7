"""What to tell the author of a recipe whose calibrated weights no selector takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plena_cosim.golden import Mx

from .calibration_tables import GptqTable
from .selector import Selector
from .spec_format import SpecFormat


def calibration_notes(
    groups: Mapping[str, Iterable[Selector]],
    gptq: GptqTable | None,
    calibrated: Mx | SpecFormat | None,
    source: str,
) -> list[str]:
    """Return a note where a recipe calibrates weights and no selector says gptq = true.

    Args:
        groups: the selectors by what stands before their names: nothing, or a phase.
        gptq: the table.
        calibrated: the format that it calibrates.
        source: where the recipe comes from.
    """
    named = [(f"[{group}{each.key}]", each) for group, found in groups.items() for each in found]
    if gptq is None or any(selector.gptq for _, selector in named):
        return []
    start = (
        f"{source} [gptq]: no selector says gptq = true, so that weights are calibrated, put into "
        "the model as values"
    )
    again = [
        (name, selector.formats.weight)
        for name, selector in named
        if isinstance(selector.formats.weight, (Mx, SpecFormat)) and not selector.bypass
    ]
    if not again:
        return [f"{start}, and not rounded again"]
    same = [name for name, weight in again if weight == calibrated]
    names = ", ".join(same or [name for name, _ in again])
    other = "" if same else ", with the format of [gptq.weight_config]"
    return [
        f"{start}, and rounded to nearest again; to keep what calibration found, add the line "
        f"gptq = true to {names}{other}"
    ]
