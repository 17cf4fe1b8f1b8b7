"""Markup goes, words stay."""

from __future__ import annotations

import pytest

from plena_cosim.sources.demo_text import articles
from plena_cosim.sources.strip_markup import strip_markup


@pytest.mark.parametrize(
    ("wikitext", "plain"),
    [
        ("plain words", "plain words"),
        ("'''bold''' and ''slanted''", "bold and slanted"),
        ("an [[ant]], a [[bee|honey bee]]s", "an ant, a honey bees"),
        ("[[File:A.jpg|thumb|the [[ant|insect]] at work]]next", "next"),
        ("[[Category:Ants]] [[de:Ameisen]] end", "end"),
        ("see [http://a.b/c the page] or [http://a.b/d]", "see the page or"),
        ("a{{cite|b={{c|d}}|e}}f", "af"),
        ("a{{formula|{x} }}b", "ab"),
        ("before\n{| class=x\n|-\n| {{t}} || cell\n{|\n| inner\n|}\n|}\nafter", "before\n\nafter"),
        ('x<ref name="a">gone</ref>y<ref name="b" />z', "xyz"),
        ("Greek {{lang|grc|ἀν}} and {{lang-de|Haus}}", "Greek ἀν and Haus"),
        ("ant ({{IPA|x}}, {{y}}) or ({{z}}; small) {{q}}, but", "ant or (small), but"),
        ("a<!-- b\nc -->d", "ad"),
        ("1<sub>2</sub> <small>s</small><br/>t", "12 st"),
        ("<math>x^2</math>is square", "is square"),
        ("== History ==\ntext", "History\n\ntext"),
        ("text\n== See also ==\n* [[x]]\n== More ==\ny", "text"),
        ("* one\n** two\n# three\n; four\n: five", "one\n\ntwo\n\nthree\n\nfour\n\nfive"),
        ("a&nbsp;b &amp; c &ndash; d", "a b & c – d"),
        ("__NOTOC__\nx\n\n\n\ny", "x\n\ny"),
        ("5 < 6 and 7 > 6", "5 < 6 and 7 > 6"),
        ("unclosed {{template and [[link", "unclosed {{template and [[link"),
        ("", ""),
    ],
)
def test_one_construct_at_a_time(wikitext: str, plain: str) -> None:
    assert strip_markup(wikitext) == plain


def test_articles_leaves_redirects_and_talk_out() -> None:
    page = "<page><title>{}</title><ns>{}</ns>{}<revision><text>{}</text></revision></page>"
    xml = '<mediawiki xmlns="http://x/">' + "".join(
        [
            page.format("Ant", 0, "", "An &lt;b&gt;ant&lt;/b&gt;."),
            page.format("Talk:Ant", 1, "", "Hm."),
            page.format("Ants", 0, '<redirect title="Ant" />', "#REDIRECT"),
            page.format("Bee", 0, "", "A bee."),
        ]
    )
    assert list(articles((xml + "</mediawiki>").encode())) == ["Ant\n\nAn ant.", "Bee\n\nA bee."]
