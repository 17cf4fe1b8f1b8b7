"""One kind of progress, and how long the rest takes."""

from __future__ import annotations

import ast
import doctest
from pathlib import Path

from plena_cosim.ground import progress
from plena_cosim.ground.progress import renamed, time_left, time_text

ROOT = Path(__file__).parents[2]


def test_examples_hold() -> None:
    tried = doctest.testmod(progress)
    assert tried.attempted == 2
    assert not tried.failed


def test_nothing_is_known_of_the_rest_while_nothing_is_done() -> None:
    assert time_left(5.0, done=0, left=3) == 0.0


def test_long_times_stay_minutes() -> None:
    assert [time_text(seconds) for seconds in (0, 59.6, 3600)] == ["0:00", "1:00", "60:00"]


def test_a_caller_can_give_work_a_name_of_its_own() -> None:
    seen: list[tuple[str, int, int]] = []
    renamed(lambda *step: seen.append(step), "MXINT8 fake")("perplexity", 1, 2)
    assert seen == [("MXINT8 fake", 1, 2)]


def test_there_is_no_other_kind() -> None:
    """Whoever takes a progress takes this one, and the old words for it are gone."""
    gone = {"told", "say", "tick", "Tick"}
    for path in (path for top in ("golden", "sim", "src") for path in (ROOT / top).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        given = [node for node in ast.walk(tree) if isinstance(node, ast.arg)]
        assert not gone & (names | {node.arg for node in given}), path
        for node in given:
            if node.arg == "progress" and node.annotation is not None:
                kind = ast.unparse(node.annotation)
                assert kind in ("Progress", "Progress | None"), f"{path}:{node.lineno} {kind}"
