"""load_documents: texts by name as documents, each as a task of lm-eval would score it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plena_cosim.ground.cache import cache_root
from plena_cosim.sources import TextSourceError, load_text
from plena_cosim.sources.demo_text import demo_articles
from plena_cosim.sources.errors import need
from plena_cosim.sources.hub_text import HUB, HubPart, hub_rows


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text as it is scored, and as it came.

    Attributes:
        text: what the model reads.
        raw: what words and bytes are counted in.
    """

    text: str
    raw: str


@dataclass(frozen=True, kw_only=True)
class _Preparation:
    """lm-eval's own function that prepares a row of a task.

    Attributes:
        module, function: where it is.
        key: of the text in a row.
    """

    module: str
    function: str
    key: str

    def __call__(self, raw: str) -> Document:
        prepare: Callable[[Any], str] = getattr(need(self.module, extra="eval"), self.function)
        return Document(text=prepare({self.key: raw}), raw=raw)


_TASKS = {
    "wikitext2": _Preparation(
        module="lm_eval.tasks.wikitext.preprocess_wikitext",
        function="wikitext_detokenizer",
        key="page",
    ),
    "c4": _Preparation(
        module="lm_eval.tasks.c4.preprocess_c4", function="c4_detokenizer", key="text"
    ),
}


def load_documents(name: str, *, cache: Path | None = None) -> list[Document]:
    """Return the documents that a text stands for.

    Args:
        name: "wikitext2" or "c4": those of lm-eval's tasks wikitext and c4, prepared by lm-eval's
            own functions; "demo": articles; a .jsonl file: one a line, an object with the text
            under "page" (prepared as task wikitext does) or "text" (as it is); else what
            `load_text` knows, as one document.
        cache: where demo downloads live; the user's cache directory when None.

    Raises:
        TextSourceError: the text cannot be had, a line holds neither, there is no document, or
            lm-eval is not installed.
    """
    if name in HUB[HubPart.DOCUMENTS]:
        return list(map(_TASKS[name], hub_rows(name, HubPart.DOCUMENTS)))
    if name == "demo":
        return list(map(_as_it_is, demo_articles(cache or cache_root())))
    text = load_text(name, cache=cache)
    found = _of_lines(text, name) if Path(name).suffix == ".jsonl" else [_as_it_is(text)]
    if not any(document.raw.strip() for document in found):
        raise TextSourceError(f"text {name!r} holds no document")
    return found


def _as_it_is(raw: str) -> Document:
    return Document(text=raw, raw=raw)


_KEYS: dict[str, Callable[[str], Document]] = {"page": _TASKS["wikitext2"], "text": _as_it_is}


def _of_lines(text: str, name: str) -> list[Document]:
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            key = next(key for key in _KEYS if isinstance(row.get(key), str))
        except (ValueError, RecursionError, AttributeError, StopIteration):
            raise TextSourceError(
                f"{name}, line {number}: need a JSON object with the text under "
                f"{' or '.join(map(repr, _KEYS))}"
            ) from None
        found.append(_KEYS[key](row[key]))
    return found
