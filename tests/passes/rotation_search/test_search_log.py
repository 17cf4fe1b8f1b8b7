"""What a rotation search has measured is kept, used again, and not trusted blindly."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress
from plena_cosim.passes.rotation_search import (
    SearchResult,
    engine,
    identity,
    search_rotations,
)

from .searching import FEW, model, recipe, stop_after_notes, tokens

SEARCH = {"matmul_types": ["o_proj", "down_proj", "kv_cache"]}


class Killed(BaseException):
    pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "decisions.json"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each perplexity that is measured, and each engine that is made."""
    found = [0]
    perplexity, init = engine.Engine.perplexity, engine.Engine.__init__

    def measuring(*args: Any, **kwargs: Any) -> float:
        found[0] += 1
        return perplexity(*args, **kwargs)

    def making(*args: Any, **kwargs: Any) -> None:
        found[0] += 100
        init(*args, **kwargs)

    monkeypatch.setattr(engine.Engine, "perplexity", measuring)
    monkeypatch.setattr(engine.Engine, "__init__", making)
    return found


def search(path: Path, said: list[str] | None = None, **changes: Any) -> SearchResult:
    given = recipe(FEW, cache_path=str(path), **SEARCH | changes)
    return search_rotations(model(), given, tokens(), progress=lines(said))


def lines(said: list[str] | None) -> Progress:
    """Return a callback that keeps what has nothing to count."""

    def note(what: str, done: int, total: int) -> None:
        if said is not None and not total:
            said.append(what)

    return note


def same(one: SearchResult, other: SearchResult) -> bool:
    return replace(one, seconds=0, begun="") == replace(other, seconds=0, begun="")


@pytest.mark.parametrize("per_layer", [False, True])
def test_a_search_killed_after_each_candidate_goes_on(
    path: Path, per_layer: bool, measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(path, per_layer=per_layer)
    path.unlink()
    given = recipe(FEW, cache_path=str(path), per_layer=per_layer, **SEARCH)
    count = 1 + sum(len(each.tried) for each in whole.rounds)
    measured[0] = 0
    noted = stop_after_notes(monkeypatch, Killed)
    for _ in range(count):
        with pytest.raises(Killed):
            search_rotations(model(), given, tokens())
    assert measured[0] == 101 * count  # one engine each time, and no candidate twice
    said: list[str] = []
    found = search_rotations(model(), given, tokens(), progress=lines(said))
    assert measured[0] == 101 * count
    assert same(found, whole)
    assert said[0].startswith("going on: ")
    assert said[0].endswith(f"holds {count - 1} measured candidates")
    assert noted == [
        (1, None, whole.baseline),
        *(
            (number, name, value)
            for number, each in enumerate(whole.rounds, start=1)
            for name, value in each.tried.items()
        ),
    ]


def test_a_kill_between_candidates_loses_only_the_one_that_runs(
    path: Path, measured: list[int]
) -> None:
    whole = search(path)
    path.unlink()
    given = recipe(FEW, cache_path=str(path), **SEARCH)

    second = list(whole.rounds[1].tried)[1]

    def kill(what: str, done: int, total: int) -> None:
        if what.startswith("round 2, ") and what.endswith(f": {second}"):
            raise Killed

    with pytest.raises(Killed):
        search_rotations(model(), given, tokens(), progress=kill)
    state = json.loads(path.read_text())
    assert [list(each["tried"]) for each in state["rounds"]] == [
        list(whole.rounds[0].tried),
        list(whole.rounds[1].tried)[:1],
    ]
    measured[0] = 0
    assert same(search(path), whole)
    left = sum(len(each.tried) for each in whole.rounds[1:]) - 1
    assert measured[0] == 100 + left


def test_a_finished_search_is_answered_without_running_the_model(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(path)
    monkeypatch.setattr(torch.nn.Module, "__call__", lambda *_, **__: pytest.fail("it ran"))
    said: list[str] = []
    again = search(path, said)
    assert same(again, whole)
    assert (again.seconds, said) == (whole.seconds, [f"finished before: {path}"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"improvement_eps": 0.01}, "another recipe"),
        ({"rotation": {"size": 8}}, "another recipe"),
        ({"per_layer": True}, "another recipe"),
        ({"matmul_types": ["o_proj", "kv_cache"]}, "another recipe"),
        ({"tokens": tokens(seed=4)}, "other tokens"),
        ({"weight": 1e-3}, "another model, or other weights"),
        ({"theta": 5e3}, "another model, or other weights"),
        ({"code": "other"}, "other code"),
        ({"tokens": tokens(seed=4), "weight": 1e-3}, "another model, or other weights and other"),
    ],
    ids=lambda value: None if isinstance(value, str) else ", ".join(value),
)
def test_other_circumstances_start_anew(
    path: Path, change: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(path)
    of_model, said = model(), list[str]()
    if "weight" in change:
        with torch.no_grad():
            of_model.lm_head.weight[5, 6] += change["weight"]
    if "theta" in change:
        of_model.config.rope_parameters["rope_theta"] = change["theta"]
    if "code" in change:
        monkeypatch.setattr(identity, "code_digest", lambda: change["code"])
    keys = ("improvement_eps", "per_layer", "matmul_types")
    other = SEARCH | {key: change[key] for key in keys if key in change}
    given = recipe(FEW, change.get("rotation"), cache_path=str(path), **other)
    text = change.get("tokens", tokens())
    anew = search_rotations(of_model, given, text, progress=lines(said))
    assert said == [anew.begun]
    assert said[0].startswith(f"anew: {path} is about {why}")
    bare = recipe(FEW, change.get("rotation"), **other)
    assert same(
        replace(anew, recipe=bare), replace(search_rotations(of_model, bare, text), recipe=bare)
    )
    assert search_rotations(of_model, given, text).begun == f"finished before: {path}"


def test_where_files_lie_and_what_computes_changes_nothing(path: Path) -> None:
    whole = search(path)
    moved = path.with_name("moved.json")
    path.rename(moved)
    again = search(moved, device="cpu", model_name="x", calib_nsamples=3, calib_data="ptb", seed=2)
    assert again.begun == f"finished before: {moved}"
    assert same(again, whole)


def test_how_gptq_calibrates_later_changes_nothing(path: Path) -> None:
    begun = []
    for algorithm, width in (("gptq", 4), ("gptaq", 4), ("gptq", 5)):
        gptq = {"model_name": "x", "format": "mxint", "algorithm": algorithm}
        gptq["weight_config"] = {"weight_block_size": 16, "weight_width": width}
        given = recipe({**FEW, "gptq": gptq}, cache_path=str(path), **SEARCH)
        begun.append(search_rotations(model(), given, tokens()).begun.partition(":")[0])
    assert begun == ["anew", "finished before", "anew"]


def test_cache_winners_false_searches_anew(path: Path, measured: list[int]) -> None:
    search(path)
    before, said = measured[0], list[str]()
    search(path, said, cache_winners=False)
    assert measured[0] == 2 * before
    assert said == ["anew: cache_winners = false"]
    assert search(path).begun == f"finished before: {path}"


def edited(path: Path, change: Any) -> None:
    state = json.loads(path.read_text())
    change(state)
    path.write_text(json.dumps(state))


def first(**changes: Any) -> Any:
    """Change the first round of a file."""
    return lambda path: edited(path, lambda state: state["rounds"][0].update(changes))


def whole(**changes: Any) -> Any:
    return lambda path: edited(path, lambda state: state.update(changes))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: path.write_text(path.read_text()[:-40]), "damaged: Expecting"),
        (lambda path: path.write_text(""), "damaged: Expecting value"),
        (lambda path: path.write_bytes(b"\xff\xfe\xff"), "damaged: 'utf"),
        (lambda path: path.write_text("[]"), "damaged: Input should be"),
        (lambda path: edited(path, lambda state: state.pop("identity")), "identity Field required"),
        (whole(version=0), "is of version 0, and this is 1"),
        (whole(extra=0), "damaged: extra"),
        (whole(baseline=None), "cannot have happened"),
        (whole(rounds=[]), "cannot have happened"),
        (first(winner="x"), "cannot have happened"),
        (first(over=False), "cannot have happened"),
        (first(tried={}, winner=None), "cannot have happened"),
        (first(tried={"o_proj": "?"}, winner=None), "rounds.0.tried.o_proj"),
        (first(tried={"x": 1.0}, winner="x"), "holds what does not fit"),
    ],
)
def test_a_damaged_file_is_said_and_replaced(path: Path, damage: Any, why: str) -> None:
    before = search(path)
    damage(path)
    found = search(path)
    assert found.begun.startswith(f"anew: {path} ")
    assert why in found.begun
    assert same(found, before)
    assert search(path).begun == f"finished before: {path}"


def test_a_file_is_never_half_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search(path)
    edited(path, lambda state: state.update(version=0))

    def killed(_: int) -> None:
        raise Killed

    before = path.read_text()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed)
        with pytest.raises(Killed):
            search(path)
    assert path.read_text() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_infinite_perplexities_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([math.inf, math.nan, 7.0, math.inf, 8.0, math.nan])
    monkeypatch.setattr(engine.Engine, "perplexity", lambda *_, **__: next(values))
    found = search(path)
    assert (found.baseline, found.winners, found.perplexity) == (math.inf, ("down_proj",), 7.0)
    again = search(path)
    assert again.begun == f"finished before: {path}"
    assert repr(again.rounds) == repr(found.rounds)


def test_a_place_that_cannot_be_written_or_read_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match=r"cannot (read|write) .*inside\.json"):
        search(tmp_path / "file" / "inside.json")
    with pytest.raises(FormatError, match=r"cannot read .*: Is a directory"):
        search(tmp_path)


def test_without_a_path_nothing_is_kept(measured: list[int]) -> None:
    given = recipe(FEW, **SEARCH)
    found = search_rotations(model(), given, tokens())
    assert found.begun == "anew: without cache_path nothing is kept"
    before = measured[0]
    assert same(search_rotations(model(), given, tokens()), found)
    assert measured[0] == 2 * before
