"""Report: the results of a run as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plena_cosim.sources.errors import need

_TEMPLATE = Path(__file__).with_name("report.html")


@dataclass(frozen=True, kw_only=True)
class ReportTable:
    """A table.

    Attributes:
        caption: over it.
        header: names of the columns.
        rows: texts, as many as there are columns.
        numbers: columns of figures, by index: aligned to the right.
        note: under it.
        links: where a cell leads, by row and column.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    note: str = ""
    links: Mapping[tuple[int, int], str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReportPicture:
    """A picture.

    Attributes:
        svg: a whole <svg> element.
        alt: what is to be seen, in words.
        caption: under it.
    """

    svg: str
    alt: str
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a report shows, from top to bottom.

    Attributes:
        title: what was measured.
        headline: the few figures that count, (name, value).
        warnings: what a reader has to know before he believes them.
        facts: settings, (name, value).
        parts: tables and pictures.
        recipe: its text; None without one.
        environment: commit, versions and the like, as in run.json.
    """

    title: str
    headline: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    parts: Sequence[ReportTable | ReportPicture] = ()
    recipe: str | None = None
    environment: dict[str, Any] = field(default_factory=dict)

    def html(self) -> str:
        """Return the whole document: no script, no address, nothing to be loaded.

        Raises:
            TextSourceError: jinja2 is not installed.
        """
        jinja = need("jinja2")
        made = jinja.Environment(
            autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        template = made.from_string(_TEMPLATE.read_text(encoding="utf-8"))
        text: str = template.render(report=self, environment=_lines(self.environment))
        return text


def _lines(environment: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and values; what is nested, and words of a command line, on one line."""
    found = []
    for name, value in environment.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {item}" for key, item in value.items())
        elif isinstance(value, list):
            value = " ".join(map(str, value))
        found.append((name.replace("_", " "), str(value)))
    return found
