"""Wikipedia markup to plain paragraphs."""

from __future__ import annotations

import html
import re

_DROPPED_ELEMENTS = "ref|math|gallery|timeline|code|syntaxhighlight|source|pre|score|imagemap|table"
_END_SECTIONS = (
    "See also|References|Notes|Footnotes|Citations|External links|Further reading|Bibliography|"
    "Sources|Notes and references"
)

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_EMPTY_ELEMENT = re.compile(r"<(?:ref|br|references)\b[^<>]*/>", re.IGNORECASE)
_ELEMENT = re.compile(rf"<({_DROPPED_ELEMENTS})\b[^<>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_FOREIGN_WORDS = re.compile(
    r"\{\{\s*(?:lang|transl|lang-[a-z-]+|nowrap)\s*\|(?:[^|{}]*\|)*([^|{}]*)\}\}", re.IGNORECASE
)
_TEMPLATE = re.compile(r"\{\{(?:[^{}]|\{(?!\{)|\}(?!\}))*\}\}")
_TABLE = re.compile(r"^[ :]*\{\|(?:(?!\{\|).)*?^[ ]*\|\}", re.DOTALL | re.MULTILINE)
_INNER_LINK = re.compile(r"\[\[([^\[\]]*)\]\]")
_NAMESPACE = re.compile(
    r"\s*:?(?:File|Image|Category|Media|Wikipedia|WP|Template|[a-z-]{2,12})\s*:", re.IGNORECASE
)
_URL_LINK = re.compile(r"\[(?:https?:|ftp:|//)[^\s\]]*\s*([^\]]*)\]")
_END = re.compile(rf"^==\s*(?:{_END_SECTIONS})\s*==.*\Z", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_HEADING = re.compile(r"^(={2,6})\s*(.*?)\s*\1\s*$", re.MULTILINE)
_QUOTES = re.compile(r"'{2,5}")
_LINE_START = re.compile(r"^[*#:;]+\s*", re.MULTILINE)
_EMPTY_BRACKETS = re.compile(r"\(\s*[,;]?\s*\)")
_LOST_WORD = re.compile(r"(?<=\()\s*[,;]\s*|\s+(?=[,.;:)])")
_MAGIC_WORD = re.compile(r"__[A-Z]+__")


def strip_markup(wikitext: str) -> str:
    """Return the prose of an article: paragraphs, list items and headings between blank lines.

    Templates, tables, references, formulas, images, categories and the closing sections of links
    are dropped; links, emphasis, headings and foreign words keep their text.

    >>> strip_markup("'''Ant'''s are [[social insect|social]]{{cite|a}} insects.<ref>x</ref>")
    'Ants are social insects.'
    """
    text = _COMMENT.sub("", wikitext)
    text = _END.sub("", text)
    text = _ELEMENT.sub("", _EMPTY_ELEMENT.sub("", text))
    text = _until_stable(_TEMPLATE, "", _FOREIGN_WORDS.sub(r"\1", text))
    text = _until_stable(_TABLE, "", text)
    text = _until_stable(_INNER_LINK, _link_words, text)
    text = _URL_LINK.sub(r"\1", text)
    text = _TAG.sub("", text)
    text = _HEADING.sub(r"\2", text)
    text = _LINE_START.sub("", _MAGIC_WORD.sub("", _QUOTES.sub("", text)))
    text = html.unescape(text).replace("\xa0", " ")
    lines = (_tidy(line) for line in text.splitlines())
    return "\n\n".join(line for line in lines if line)


def _tidy(line: str) -> str:
    """Close the gaps that dropped markup leaves."""
    line = _LOST_WORD.sub("", _EMPTY_BRACKETS.sub("", line))
    return re.sub(r"[ \t]+", " ", line).strip()


def _link_words(match: re.Match[str]) -> str:
    target, _, words = match[1].partition("|")
    if _NAMESPACE.match(target):
        return ""
    return (words or target).rpartition("|")[2]


def _until_stable(pattern: re.Pattern[str], replacement: object, text: str) -> str:
    """Replace innermost matches until none is left: markup nests."""
    while True:
        text, count = pattern.subn(replacement, text)  # type: ignore[call-overload]
        if not count:
            return text
