"""sample_records: what lm-eval logs of each document, as samples of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_COUNTS = {"byte_perplexity": "bytes", "bits_per_byte": "bytes", "word_perplexity": "words"}
"""Metrics whose value is a log likelihood and what it counts for."""


def sample_records(logs: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give name and record of each document of each task; see `results.measures`.

    Args:
        logs: files that lm-eval wrote for --log_samples, one a task.
    """
    for path in logs:
        task = re.sub(r"^samples_|^.*?_samples_|_[^_]*\.jsonl$", "", path.name)
        by_document: dict[str, dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            sample = json.loads(line)
            record = by_document.setdefault(f"{task} {sample['doc_id']}", {"scores": {}})
            _add(record, task, sample)
        yield from by_document.items()


def _add(record: dict[str, Any], task: str, sample: dict[str, Any]) -> None:
    """Add the metrics of one document under one filter."""
    chosen = sample.get("filter", "none")
    suffix = "" if chosen == "none" else f" ({chosen})"
    for metric in sample["metrics"]:
        value = sample[metric]
        if metric in _COUNTS and isinstance(value, list):
            record[f"{task}_negative_log_likelihood"] = -value[0]
            record[f"{task}_{_COUNTS[metric]}"] = value[1]
        elif isinstance(value, (bool, int, float)):
            record["scores"][f"{task} {metric}{suffix}"] = float(value)
