"""docs/layers.svg: who may import whom, drawn from the contracts that import-linter checks."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "layers.svg"
PROJECT = ROOT / "pyproject.toml"
LEGEND = (
    "A box may import the boxes below it in its stack. Boxes side by side do not import each other."
)

_PACKAGE = "plena_cosim"
_CHARACTER, _HEIGHT, _GAP, _MARGIN, _BETWEEN, _TITLE = 7.4, 32, 6, 16, 36, 26
_WIDEST = 980
"""Pixels; stacks that do not fit beside each other go below."""
_STYLE = (
    "text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#1f2328;text-anchor:middle}"
    ".title{font-weight:bold}.legend{font-family:sans-serif;font-size:12px;fill:#59636e;"
    "text-anchor:start}.box{fill:#ddf4ff;stroke:#54aeff}"
)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One contract.

    Attributes:
        title: the package whose inside it is about.
        rows: names from the top down; those in one row stand side by side.
    """

    title: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> float:
        """Width in pixels: of the widest row, or of the title."""
        rows = (max(map(_box_width, row)) * len(row) + _GAP * (len(row) - 1) for row in self.rows)
        return max(_box_width(self.title), *rows)

    @property
    def height(self) -> float:
        """Height in pixels, with the title."""
        return _TITLE + len(self.rows) * (_HEIGHT + _GAP) - _GAP


def stacks(settings: dict[str, Any]) -> list[Stack]:
    """Return the layer contracts in the settings of import-linter, a stack each container."""
    return [
        Stack(
            title=_short(container) or _PACKAGE,
            rows=tuple(tuple(_siblings(layer)) for layer in contract["layers"]),
        )
        for contract in settings["contracts"]
        if contract["type"] == "layers"
        for container in contract.get("containers", [_PACKAGE])
    ]


def svg(found: list[Stack]) -> str:
    """Return the picture of some stacks."""
    body: list[str] = []
    x = y = float(_MARGIN)
    tallest = right = 0.0
    for stack in found:
        if x > _MARGIN and x + stack.width > _WIDEST:
            x, y, tallest = _MARGIN, y + tallest + _BETWEEN, 0.0
        body += _drawn(stack, x, y)
        right = max(right, x + stack.width)
        tallest = max(tallest, stack.height)
        x += stack.width + _BETWEEN
    bottom = y + tallest + _BETWEEN
    body.append(f'<text class="legend" x="{_MARGIN}" y="{bottom:g}">{escape(LEGEND)}</text>')
    width = max(right, _MARGIN + 6.3 * len(LEGEND)) + _MARGIN
    height = bottom + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}">',
            "<!-- generated from pyproject.toml; `plena rooms` renews it -->",
            f"<style>{_STYLE}</style>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def renewed(_: str = "") -> str:
    """Return the picture of the contracts of today."""
    settings = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]
    return svg(stacks(settings))


def _siblings(layer: str) -> Iterator[str]:
    """Yield the boxes of a layer such as `a | (b)`; parentheses mean that it may be missing.

    In `a : b` the two may import each other, so that they share a box.
    """
    for box in layer.split("|"):
        yield ", ".join(_short(name.strip(" ()")) for name in box.split(":"))


def _short(name: str) -> str:
    return name.removeprefix(_PACKAGE).removeprefix(".")


def _box_width(name: str) -> float:
    return round(_CHARACTER * len(name) + 24, 1)


def _drawn(stack: Stack, x: float, y: float) -> Iterator[str]:
    middle = x + stack.width / 2
    yield f'<text class="title" x="{middle:g}" y="{y + 14:g}">{escape(stack.title)}</text>'
    top = y + _TITLE
    for row in stack.rows:
        width = (stack.width - _GAP * (len(row) - 1)) / len(row)
        for place, name in enumerate(row):
            left = x + place * (width + _GAP)
            yield (
                f'<rect class="box" x="{left:.1f}" y="{top:g}" width="{width:.1f}" '
                f'height="{_HEIGHT}" rx="5"/>'
            )
            centre = left + width / 2
            yield f'<text x="{centre:.1f}" y="{top + _HEIGHT / 2 + 4.5:g}">{escape(name)}</text>'
        top += _HEIGHT + _GAP
