"""What is chosen for a change of this checkout, and how the budget is spent."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from tools.quick import choose as choosing
from tools.quick.choose import Choice, Item, choose
from tools.quick.imports import ImportGraph, read_graph
from tools.quick.rules import FOLDERS, READERS, mirror

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def _one_graph() -> Any:
    """Read the checkout once for all tests here."""
    graph = read_graph(ROOT, FOLDERS)

    def known(*_: object, **__: object) -> ImportGraph:
        return graph

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choosing, "read_graph", known)
        yield


def chosen(*changed: str, budget: float = 1e6, seconds: dict[str, float] | None = None) -> Choice:
    return choose(ROOT, changed, seconds=seconds or {}, budget=budget)


def targets(items: Sequence[Item]) -> list[str]:
    return [item.target for item in items]


@pytest.mark.parametrize(
    ("source", "test"),
    [
        ("golden/ops/gelu.py", "tests/golden/ops/test_gelu.py"),
        ("sim/player/player.py", "tests/sim/player/test_player.py"),
        ("src/plena_cosim/passes/plan/match.py", "tests/passes/plan/test_match.py"),
        ("tools/durations.py", "tests/tools/test_durations.py"),
    ],
)
def test_the_mirror_comes_first(source: str, test: str) -> None:
    assert mirror(source) == test
    items = chosen(source).items
    assert items[0].target == test
    assert (items[0].tier, items[0].why) == (0, "mirror")


def test_a_room_comes_before_the_rest() -> None:
    items = targets(chosen("src/plena_cosim/passes/recipe/selector.py").items)
    room = [test for test in items if test.startswith("tests/passes/recipe/")]
    assert {"tests/passes/recipe/test_load.py", "tests/passes/recipe/test_recipe_errors.py"} <= set(
        room
    )
    assert items[: len(room)] == room
    assert "tests/passes/plan/test_match.py" in items
    assert not any(test.startswith("tests/golden/") for test in items)


def test_a_changed_test_runs_itself() -> None:
    item = chosen("tests/golden/ops/test_add.py").items[0]
    assert (item.target, item.why) == ("tests/golden/ops/test_add.py", "changed")


def test_a_changed_oracle_runs_what_uses_it() -> None:
    items = targets(chosen("tests/golden/ops/pairs.py").items)
    assert {f"tests/golden/ops/test_{op}.py" for op in ("add", "mul", "max")} <= set(items)
    assert "tests/golden/ops/test_gelu.py" not in items


def test_a_definition_runs_its_own_block() -> None:
    blocks = {item.block for item in chosen("golden/ops/gelu.py").items if item.block}
    assert blocks == {"gelu_sigmoid", "gelu_tanh"}


def test_a_core_runs_the_blocks_made_of_it_nearest_first() -> None:
    items = chosen("rtl/fp/plena_fp_exact_sum.sv").items
    order = list(dict.fromkeys(item.block for item in items if item.block))
    assert set(order[:3]) == {"attention_step", "fp_add", "fp_sub"}
    assert {"softmax", "mx_mm", "rms_norm"} <= set(order)
    assert "fp_mul" not in order
    first = next(item for item in items if item.block == "fp_add")
    assert first.target == "tests/regression/test_vectors.py::test_equals_golden[fp_add-e2m1-all]"
    assert "tests/rtl/test_synthesis.py" in targets(items)


def test_a_block_is_simulated_before_its_text_is_read() -> None:
    items = chosen("rtl/fp/plena_fp_neg.sv").items
    own = [item for item in items if item.tier == 0]
    assert {item.block for item in own} == {"fp_neg"}
    assert items[: len(own)] == tuple(own)


def test_the_simulator_runs_a_few_blocks() -> None:
    items = [item for item in chosen("sim/bench/stream.py").items if item.block]
    assert {item.target.partition("::")[0] for item in items} == {"tests/regression/test_bench.py"}


def test_a_recipe_runs_the_tests_that_read_recipes() -> None:
    items = targets(chosen("configs/quant/llama_full_mxint8.toml").items)
    assert "tests/passes/recipe/test_load.py" in items
    assert "tests/evaluate/ladder/test_manifest.py" not in items


def test_an_unknown_file_needs_everything() -> None:
    assert chosen("Makefile", "golden/mx.py", "pyproject.toml").unknown == (
        "Makefile",
        "pyproject.toml",
    )
    assert chosen("LICENSE") == Choice(items=(), left_out=(), unknown=())


def test_the_budget_leaves_out_what_is_far_or_slow() -> None:
    whole = chosen("golden/ops/gelu.py").items
    slow = next(item.target for item in whole[1:] if not item.block)
    choice = chosen("golden/ops/gelu.py", budget=31, seconds={slow: 30.0})
    assert choice.items[0] == whole[0]
    assert sum(item.seconds for item in choice.items) <= 31
    assert slow in targets(choice.left_out)
    assert {*targets(choice.items), *targets(choice.left_out)} == set(targets(whole))


def test_the_own_tests_run_whatever_they_cost() -> None:
    mirrored = "tests/golden/ops/test_gelu.py"
    choice = chosen("golden/ops/gelu.py", budget=10, seconds={mirrored: 50.0})
    assert targets(choice.items) == [mirrored]


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in READERS])
def test_every_rule_fits_a_file_and_names_tests(pattern: str) -> None:
    folders = [ROOT / name for name in ("configs", "docs", "golden", "rtl", "sim", "src", "tools")]
    paths = [*ROOT.iterdir(), *(path for folder in folders for path in folder.rglob("*"))]
    files = [path.relative_to(ROOT).as_posix() for path in paths if path.is_file()]
    assert any(fnmatch(file, pattern) for file in files), f"{pattern} fits no file"
    missing = [test for test in dict(READERS)[pattern] if not (ROOT / test).is_file()]
    assert not missing
