"""A mixed recipe for a bit budget: widths of weights by what layers and operations cost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from plena_cosim.golden import FixedPoint, FormatError, Mx, mxint
from plena_cosim.passes import Recipe
from plena_cosim.passes.recipe.formats import Format
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.recipe import MatchBy
from plena_cosim.passes.selective import Choice, Operand

from ..recipe_text import recipe_text
from .groups import AXES
from .measure import Losses

MIXED_AXES = ("op", "layer")
"""What widths are measured by; a matrix has one of each."""

Cell = tuple[str, str]
"""A matrix: operation and layer."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Widths for the weights of a model.

    Attributes:
        width: that all have in the uniform recipe.
        widths: those that differ from it, by name of the module.
        selectors: keys of the selectors that choose these modules.
        bits: bits a weight, shares of the scales included.
        uniform_bits: the same of the uniform recipe.
        expected: change of the loss that the measured costs add up to, in nats a token.
    """

    width: int
    widths: Mapping[str, int]
    selectors: Mapping[str, str]
    bits: float
    uniform_bits: float
    expected: float


def weights_of(
    operands: Sequence[Operand], recipe: Recipe, bits: float
) -> tuple[list[Operand], int]:
    """Return the weights that widths are chosen for, and the width of all within a budget.

    Args:
        operands: of the recipe.
        recipe: rounded to nearest, its weights MXINT.
        bits: a weight, shares of the scales included.

    Raises:
        FormatError: the recipe calibrates, has other weights, or the budget is out of range.
    """
    found = [each for each in operands if each.role == "weight" and each.elements]
    if recipe.gptq is not None:
        raise FormatError(
            f"{recipe.source}: [gptq] calibrates weights in one format; a mixed recipe is made of "
            "one that rounds to nearest"
        )
    if recipe.by is MatchBy.TYPE or any(recipe.phases.values()):
        raise FormatError(
            f"{recipe.source}: a mixed recipe names modules one by one; write selectors by name, "
            "with no [phase]"
        )
    if not found or not all(_is_mxint(each.fmt) for each in found):
        raise FormatError(f"{recipe.source}: only widths of MXINT weights can be mixed")
    width = int(bits - max(_scale_share(each.fmt) for each in found))
    if not 3 <= width <= 8:
        raise FormatError(
            f"--bits {bits:g} leaves {width} bits for an element beside its share of the scale; "
            "3 … 8 can be mixed"
        )
    return found, width


def with_width(operand: Operand, width: int) -> Format:
    """Return the format of a weight with another width."""
    fmt = operand.fmt
    assert isinstance(fmt, Mx)
    shared = {
        name: getattr(fmt, name)
        for name in ("block_size", "scale_bits", "scale_rule", "symmetric", "rounding")
    }
    return mxint(width, **shared)


def choose_widths(losses: Losses, weights: Sequence[Operand], width: int, *, step: int = 1) -> Mix:
    """Measure what a narrower and a wider width of each op and layer cost, and choose widths.

    A matrix costs what its operation costs times the share that its layer has of all layers. Among
    the widths that are as few bits in sum as one for all, those are taken that cost least.

    Args:
        losses: measures.
        weights: that are chosen for.
        width: of all in the uniform recipe.
        step: bits by which widths differ from it.

    Returns:
        The widths; none differ where nothing is gained.
    """
    levels = [width - step, width + step]
    base = losses.of(f"uniform {width}", _at(weights, width, {}))
    costs: dict[tuple[str, str, int], float] = {}
    for axis in MIXED_AXES:
        for group in dict.fromkeys(AXES[axis](each) for each in weights):
            mine = {each.module for each in weights if AXES[axis](each) == group}
            for level in levels:
                other = dict.fromkeys(mine, level)
                found = losses.of(
                    f"uniform {width} but {axis} {group} {level}", _at(weights, width, other)
                )
                costs[axis, group, level], _ = losses.rise(found, base)
    cells = {each.module: (AXES["op"](each), AXES["layer"](each)) for each in weights}
    sizes = {each.module: each.elements for each in weights}
    prices = {
        (module, level): _price(costs, cell, level, width, _shares(weights, sizes))
        for module, cell in cells.items()
        for level in levels
    }
    chosen = cheapest(prices, sizes, levels, width)
    total = sum(sizes.values())
    share = sum(each.elements * _scale_share(each.fmt) for each in weights) / total
    mean = sum(sizes[module] * chosen.get(module, width) for module in sizes) / total
    return Mix(
        width=width,
        widths=chosen,
        selectors={each.module: each.selector for each in weights},
        bits=mean + share,
        uniform_bits=width + share,
        expected=sum(prices[module, level] for module, level in chosen.items()),
    )


def cheapest(
    prices: Mapping[tuple[str, int], float],
    sizes: Mapping[str, int],
    levels: Sequence[int],
    width: int,
) -> dict[str, int]:
    """Return the widths, where they differ, of the least price in no more bits than one for all.

    Args:
        prices: what a module costs at a level, against `width`.
        sizes: weights of each module.
        levels: that may be taken instead of `width`.
        width: that costs nothing.
    """

    def at(weight: float) -> dict[str, int]:
        """Return what is best where a bit of a weight costs so much."""
        found = {}
        for module, size in sizes.items():
            best = min(
                [width, *levels],
                key=lambda level: (
                    prices.get((module, level), 0.0) + weight * size * (level - width),
                    abs(level - width),
                ),
            )
            if best != width:
                found[module] = best
        return found

    def bits(found: Mapping[str, int]) -> int:
        return sum(sizes[module] * (level - width) for module, level in found.items())

    low, high = 0.0, 1.0
    while bits(at(high)) > 0:
        high *= 2
        if high > 1e12:
            return {}
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if bits(at(middle)) > 0 else (low, middle)
    found = at(high)
    return found if sum(prices[module, level] for module, level in found.items()) < 0 else {}


def mixed_recipe(recipe: Recipe, mix: Mix, *, uniform: bool = False) -> Recipe:
    """Return a recipe with the widths of a mix, or with one width for all.

    Args:
        recipe: that the mix was made from.
        mix: widths.
        uniform: leave those that differ away.
    """
    tables = deepcopy(dict(recipe.tables))
    for key, table in tables.items():
        if isinstance(table, dict) and "weight_width" in (inner := table.get("config", table)):
            inner["weight_width"] = mix.width
            tables[key] = table
    if "weight_width" in tables.get("defaults", {}):
        tables["defaults"]["weight_width"] = mix.width
    if not uniform:
        taken = _selectors(recipe, tables, mix)
        left = {key for module, key in mix.selectors.items() if module not in mix.widths}
        for key in set(mix.selectors.values()) - left:
            del tables[key]  # nothing is left for it to choose
        tables = {**taken, **tables}  # the first that matches decides
    return read_quant_config(tables, source=recipe.source)


def mix_text(recipe: Recipe, mix: Mix) -> str:
    """Return a mixed recipe as TOML."""
    counts = {level: list(mix.widths.values()).count(level) for level in set(mix.widths.values())}
    words = ", ".join(f"{count} of {level} bits" for level, count in sorted(counts.items()))
    about = (
        f"{recipe.source} with weights of {mix.width} bits, but {words or 'no other ones'}:\n"
        f"{mix.bits:.3f} bits a weight, its share of the scales included."
    )
    return recipe_text(mixed_recipe(recipe, mix).tables, about=about)


def _selectors(recipe: Recipe, tables: Mapping[str, Any], mix: Mix) -> dict[str, Any]:
    """Return selectors for the modules whose width differs, one for each selector and width."""
    groups: dict[tuple[str, int], list[str]] = {}
    for module, level in mix.widths.items():
        groups.setdefault((mix.selectors[module], level), []).append(module)
    found: dict[str, Any] = {}
    for (key, level), modules in groups.items():
        table = deepcopy(tables[key])
        table.get("config", table)["weight_width"] = level
        if recipe.by is MatchBy.REGEX_NAME:
            found["|".join(map(re.escape, modules))] = table
        else:
            found |= dict.fromkeys(modules, table)
    return found


def _at(weights: Sequence[Operand], width: int, others: Mapping[str, int]) -> Choice:
    """Return a choice of all operands, the weights with one width, or another by module."""
    names = {each.module for each in weights}

    def choose(each: Operand) -> Format:
        if each.role == "weight" and each.module in names:
            return with_width(each, others.get(each.module, width))
        return each.fmt

    return choose


def _shares(weights: Sequence[Operand], sizes: Mapping[str, int]) -> dict[Cell, float]:
    """Return the part of its operation's weights that a matrix has."""
    by_op: dict[str, int] = {}
    for each in weights:
        op = AXES["op"](each)
        by_op[op] = by_op.get(op, 0) + sizes[each.module]
    return {
        (AXES["op"](each), AXES["layer"](each)): sizes[each.module] / by_op[AXES["op"](each)]
        for each in weights
    }


def _price(
    costs: Mapping[tuple[str, str, int], float],
    cell: Cell,
    level: int,
    width: int,
    shares: Mapping[Cell, float],
) -> float:
    """Return what a matrix costs at a level: of the right sign, or nothing.

    A measured gain of fewer bits, or loss of more, is noise: it is taken for nothing.
    """
    sign = 1 if level < width else -1
    op, layer = cell
    ops = max(0.0, sign * costs["op", op, level])
    layers = {
        name: max(0.0, sign * cost)
        for (axis, name, at), cost in costs.items()
        if axis == "layer" and at == level and name.startswith("layer ")
    }
    mean = sum(layers.values()) / (len(layers) or 1)
    relative = layers[layer] / mean if layer in layers and mean > 0 else 1.0
    return sign * ops * shares[cell] * relative


def _is_mxint(fmt: Format) -> bool:
    return isinstance(fmt, Mx) and isinstance(fmt.element, FixedPoint)


def _scale_share(fmt: Format) -> float:
    assert isinstance(fmt, Mx)
    return fmt.scale_bits / fmt.block_size
