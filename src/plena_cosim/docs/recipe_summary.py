"""A recipe at a glance: its selectors and their formats as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Column, Table
from rich.text import Text

from ..golden import Mx
from ..passes import Recipe, Selector
from ..passes.recipe.formats import Format
from ..passes.recipe.numerics_used import numerics_used, numerics_words
from ..passes.recipe.rotation_table import RotationTable
from ..passes.recipe.selector import LARGEST_ROTATION
from ..passes.recipe.selector_tables import OPERATIONS, ROTATIONS

ROLES = ("weight", "data_in", "data_out", "bias")
"""In the order in which a layer meets them."""


def recipe_table(recipe: Recipe) -> Table:
    """Return the selectors of a recipe in the order in which they are tried."""
    roles = [role for role in ROLES if role != "data_out" or _rounds_outputs(recipe)]
    title = Text(f"{recipe.source}, by {recipe.by.value}")
    first = Column("selector", overflow="fold")
    inside = Column("attention", overflow="fold")
    table = Table(first, *roles, inside, "options", title=title, show_lines=True)
    rows = [
        row(selector, f"{phase.value}: ", roles)
        for phase, selectors in recipe.phases.items()
        for selector in selectors
    ]
    for cells in rows + [row(selector, roles=roles) for selector in recipe.selectors]:
        table.add_row(*map(Text, cells))
    return table


def remarks(recipe: Recipe) -> list[str]:
    """Return one line for each thing that the recipe says beside its selectors."""
    lines = [f"excluded: {', '.join(recipe.exclude)}"] if recipe.exclude else []
    if recipe.changes_anything:
        lines.append(f"numerics: {numerics_words(numerics_used(recipe))}")
    if any(recipe.phases.values()):
        lines.append(f"cache from prefill to decode: {recipe.kv_handover.value}")
    if recipe.gptq is not None:
        weights = recipe.gptq.weight_config.given()
        lines.append(f"gptq: {recipe.gptq.format}, {weights}")
    if recipe.rotation is not None:
        lines.append(f"rotation: {_rotation(recipe.rotation)}")
    if recipe.scaling is not None:
        lines.append(f"scaling: {recipe.scaling.method}")
    if recipe.distill is not None:
        table = recipe.distill
        samples = table.steps * table.batch_size
        lines.append(
            f"distillation: {table.steps} steps, {samples} samples, {table.weights} weights"
        )
    if recipe.ranges is not None:
        lines.append(
            f"ranges: {recipe.ranges.nsamples} samples of {recipe.ranges.seqlen} tokens "
            f"of {recipe.ranges.dataset}"
        )
    if recipe.rotation_search is not None:
        lines.append(f"rotation search: {recipe.rotation_search.calib_nsamples} samples")
    if recipe.token_collector is not None:
        collector = recipe.token_collector
        lines.append(
            f"token collector: {collector.target_nsamples} samples of {collector.seqlen} tokens "
            f"into {collector.save_path}"
        )
    if recipe.strict:
        lines.append("strict: a NaN or Inf that a format cannot hold is an error")
    return lines


def row(selector: Selector, prefix: str = "", roles: Sequence[str] = ROLES) -> tuple[str, ...]:
    """Return one selector: its key, a format a role, what is inside attention, options.

    Args:
        selector: of a recipe.
        prefix: what stands before its key.
        roles: those that the table has.
    """
    key = f"{prefix}{selector.key}"
    if selector.types:
        key += f"\ntype {', '.join(selector.types)}"
    if selector.bypass:
        return (key, *["–"] * len(roles), "–", "bypass")
    formats = selector.formats
    attention = [
        f"{operation} {_label(fmt)}"
        for operation in (*OPERATIONS, "softmax_out")
        if (fmt := getattr(formats.attention, operation)) is not None
    ]
    attention += [
        f"{operation} online_rotate {_size(wanted)}"
        for operation, field in ROTATIONS.items()
        if (wanted := getattr(formats.attention, field))
    ]
    if formats.attention.kv_cache is not None:
        attention.append(f"keys {formats.attention.kv_position.value}")
    options = ["gptq"] if selector.gptq else []
    if selector.clip_search:
        options.append(f"clip_search {', '.join(map(str, selector.clip_search))}")
    if selector.online_rotate is not None:
        options.append(f"online_rotate {_size(selector.online_rotate)}")
    if selector.optional:
        options.append("optional")
    return (
        key,
        *(_label(getattr(formats, role)) for role in roles),
        "\n".join(attention) or "–",
        "\n".join(options) or "–",
    )


def _rounds_outputs(recipe: Recipe) -> bool:
    return any(
        selector.formats.data_out is not None
        for group in (recipe.selectors, *recipe.phases.values())
        for selector in group
    )


def _rotation(table: RotationTable) -> str:
    shorthands = [name for name in ("r1", "r2", "r3", "r4") if getattr(table, name)]
    size = "largest that fits" if table.size is None else f"size {table.size}"
    trained = f", trained matrices of {table.matrices}" if table.matrices else ""
    signs = f", random signs of seed {table.seed}" if table.random else ""
    linear = ["all linear layers"] if table.online_rotate else []
    what = ", ".join([*shorthands, *linear, *table.online]) or "where selectors say"
    return f"{what}; {size}{signs}{trained}; {table.semantics}"


def _size(wanted: int) -> str:
    return "largest" if wanted == LARGEST_ROTATION else str(wanted)


def _label(fmt: Format | None) -> str:
    if fmt is None:
        return "–"
    return f"{fmt.name} / {fmt.block_size}" if isinstance(fmt, Mx) else fmt.name
