"""Values of records as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from plena_cosim.evaluate.record import plain
from plena_cosim.evaluate.results.sample_log import SampleLog, read_samples


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({(1, 2): (3, -math.inf), None: math.nan}, {"(1, 2)": [3, "-inf"], "None": "nan"}),
        ({"\ud800": ["a\udfff", "\U0001f600"]}, {"\\ud800": ["a\\udfff", "\U0001f600"]}),
    ],
)
def test_plain(given: object, kept: object) -> None:
    assert plain(given) == kept
    assert json.loads(json.dumps(kept, ensure_ascii=False, allow_nan=False).encode()) == kept


def test_half_a_surrogate_pair_is_logged(tmp_path: Path) -> None:
    """A UnicodeEncodeError once: a model writes `f(a="\\ud800")`."""
    with SampleLog(tmp_path / "samples.jsonl") as log:
        log.add("one", {"calls": [{"f": {"a": "\ud800"}}]})
    assert read_samples(tmp_path / "samples.jsonl") == {"one": {"calls": [{"f": {"a": "\\ud800"}}]}}
