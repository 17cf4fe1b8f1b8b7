"""Data of the tasks in configs/tasks: what lm-eval's YAML files there name."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from plena_cosim.ground.cache import cache_root
from plena_cosim.sources.demo_text import demo_articles, demo_calibration_text, demo_text
from plena_cosim.sources.errors import need

from .cloze import cloze_questions

QUESTIONS = 100


def articles(**_: Any) -> dict[str, Any]:
    """Return the articles of the demo text as datasets by split; lm-eval's arguments are ignored.

    Raises:
        TextSourceError: the text is not cached and cannot be downloaded.
    """
    return {"test": _dataset([{"text": text} for text in demo_articles(cache_root())])}


def cloze(**_: Any) -> dict[str, Any]:
    """Return questions about the demo text, and about the calibration text for examples.

    Raises:
        TextSourceError: the text is not cached and cannot be downloaded.
    """
    texts = {"train": demo_calibration_text(cache_root()), "test": demo_text(cache_root())}
    return {
        split: _dataset([asdict(each) for each in cloze_questions(text, count=QUESTIONS)])
        for split, text in texts.items()
    }


def _dataset(rows: list[dict[str, Any]]) -> Any:
    return need("datasets").Dataset.from_list(rows)
