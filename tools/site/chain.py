"""Flowcharts that are chains, drawn in HTML: no script, and they wrap on a narrow screen.

The diagrams of docs/rtl.md are Mermaid, as GitHub draws it: `flowchart LR`, boxes named before or
where they are used, `a --> b --> c`, and `a -. label .-> b` for what flows back. Other Mermaid is
an error, since mkdocs would load a library from the network for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

_NODE = re.compile(r'(?P<name>\w+)(?:(?P<round>\(\[)?\[?"(?P<text>[^"]*)"\]?\)?\]?)?')
_ARROW = re.compile(r"\s*(?:-->|-\.\s*(?P<label>\w+)\s*\.->)\s*")


@dataclass(frozen=True, kw_only=True)
class Box:
    """A step of a chain; the ends are round."""

    text: str
    is_end: bool


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Names of boxes from left to right, and the label of the arrow before each ("" for none)."""

    names: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def flows_back(self) -> bool:
        """Whether its arrows are dotted."""
        return any(self.labels)


def draw(source: str, language: str, css_class: str, *_: Any, **__: Any) -> str:
    """Return the HTML of a fence; called by pymdownx.superfences.

    Args:
        source: the text of the fence.
        language: its name; not needed.
        css_class: of the box around the chains.

    Returns:
        An ordered list for each chain.

    Raises:
        ValueError: the fence is no flowchart of chains.
    """
    boxes, chains = read(source)
    lists = "".join(_list(chain, boxes) for chain in chains)
    return f'<div class="{css_class}" role="group" aria-label="Diagram">{lists}</div>'


def read(source: str) -> tuple[dict[str, Box], list[Chain]]:
    """Return the boxes of a flowchart by name, and its chains; those that meet end to end are one.

    Args:
        source: Mermaid.

    Raises:
        ValueError: a line is not understood.
    """
    first, *lines = [line.strip() for line in source.strip().splitlines()]
    if first != "flowchart LR":
        raise ValueError(f"only `flowchart LR` can be drawn, not {first!r}")
    boxes: dict[str, Box] = {}
    chains: list[Chain] = []
    for line in lines:
        chain = _read_line(line, boxes)
        if len(chain.names) == 1:
            continue
        before = chains[-1] if chains else None
        if before and before.names[-1] == chain.names[0] and not chain.flows_back:
            chains[-1] = Chain(
                names=before.names + chain.names[1:], labels=before.labels + chain.labels[1:]
            )
        else:
            chains.append(chain)
    return boxes, chains


def _read_line(line: str, boxes: dict[str, Box]) -> Chain:
    names, labels, label = [], [], ""
    position = 0
    while True:
        node = _NODE.match(line, position)
        if node is None:
            raise ValueError(f"not a chain of boxes and arrows: {line!r}")
        if node["text"] is not None:
            boxes[node["name"]] = Box(text=node["text"], is_end=node["round"] is not None)
        names.append(node["name"])
        labels.append(label)
        position = node.end()
        if position == len(line):
            return Chain(names=tuple(names), labels=tuple(labels))
        arrow = _ARROW.match(line, position)
        if arrow is None:
            raise ValueError(f"not a chain of boxes and arrows: {line!r}")
        label, position = arrow["label"] or "", arrow.end()


def _list(chain: Chain, boxes: dict[str, Box]) -> str:
    items = "".join(_items(chain, boxes))
    return f'<ol class="{"back" if chain.flows_back else "forth"}">{items}</ol>'


def _items(chain: Chain, boxes: dict[str, Box]) -> Iterator[str]:
    for name, label in zip(chain.names, chain.labels, strict=True):
        box = boxes[name]
        # Lines were broken for Mermaid's boxes; here the browser breaks them. Names of ports stay.
        text = escape(box.text).replace("&lt;br&gt;", "<br>" if box.is_end else " ")
        text = re.sub(r"&amp;(\w+;)", r"&\1", text)
        over = f"<small>{escape(label)}</small> " if label else ""
        yield f"<li{' class=end' if box.is_end else ''}>{over}<span>{text}</span></li>"
