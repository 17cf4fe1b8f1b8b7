"""Reports: one file, nothing to load, nothing that a name can break."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from plena_cosim.evaluate.figure import new_figure
from plena_cosim.evaluate.results.report import Report, ReportPicture, ReportTable
from plena_cosim.evaluate.results.svg import svg_of

HOSTILE = '<script>alert("x")</script> & {{ 7 * 7 }} "quoted"'


class Page(HTMLParser):
    """What a reader's program makes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "path", "use", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "use"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def report() -> Report:
    figure, axes = new_figure(4, 3)
    axes.plot([1, 2], [3, 4])
    axes.set_xlabel("a label that stays text")
    table = ReportTable(
        caption=f"table {HOSTILE}",
        header=("a", "b"),
        rows=[(HOSTILE, "1.5")],
        numbers=(1,),
        links={(0, 0): "x/report.html"},
    )
    return Report(
        title=HOSTILE,
        headline=[("token perplexity", "1.5")],
        warnings=[HOSTILE],
        facts=[("model", HOSTILE)],
        parts=[ReportPicture(svg=svg_of(figure), alt="a line", caption="c"), table],
        recipe=HOSTILE,
        environment={"versions": {"torch": "2"}, "command": ["plena", HOSTILE]},
    )


def test_names_stay_names(report: Report) -> None:
    page = Page(report.html())
    assert page.all("script") == []
    assert page.words.count(HOSTILE) == 6  # in the head, h1, warning, fact, cell, recipe
    assert "49" not in page.words
    assert any(HOSTILE in words and words.startswith("plena") for words in page.words)


def test_nothing_is_loaded(report: Report) -> None:
    text = report.html()
    named = r'(?:src|href|data|action)\s*=\s*"(?!#|x/report)[^"]*"|url\((?!#)|@import'
    assert re.findall(named, text) == []
    assert {each.get("href") for each in Page(text).all("a")} == {"x/report.html"}


def test_a_reader_that_does_not_look(report: Report) -> None:
    page = Page(report.html())
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    assert [each["aria-label"] for each in page.all("div") if each.get("role") == "img"] == [
        "a line"
    ]
    assert all(each["scope"] == "col" for each in page.all("th"))
    assert "a label that stays text" in " ".join(page.words)


def luminance(colour: str) -> float:
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def test_contrast_of_both_palettes(report: Report) -> None:
    """WCAG 2 asks for 4.5 between letters and what is behind them."""
    palettes = re.findall(r":root \{([^}]*)\}", report.html())
    assert len(palettes) == 2
    for text in palettes:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", text))
        pairs = [("ink", "paper"), ("ink", "card"), ("quiet", "paper"), ("quiet", "card")]
        pairs += [("accent", "paper"), ("warn", "warn-paper")]
        for front, back in pairs:
            one, other = sorted(map(luminance, (colours[front], colours[back])))
            assert (other + 0.05) / (one + 0.05) >= 4.5, (front, back)
