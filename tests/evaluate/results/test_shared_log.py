"""Samples that several processes measure: who measures what, and what the file of the run holds."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from torch.distributed import HashStore

from plena_cosim.evaluate import processes
from plena_cosim.evaluate.processes import ProcessEndedError, Processes, first_to_end
from plena_cosim.evaluate.results.run_folder import open_run
from plena_cosim.evaluate.results.sample_log import SampleLog
from plena_cosim.evaluate.results.shared_log import SharedLog, take_over
from plena_cosim.golden import FormatError
from plena_cosim.ground.launched import Launched

NAMES = [str(number) for number in range(5)]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> list[Processes]:
    """Two processes, as threads of this one can be."""
    store = HashStore()
    monkeypatch.setattr(processes, "_store", lambda: store)
    found = [Processes(Launched(rank=rank, count=2, local_rank=rank)) for rank in range(2)]
    for each in found:
        monkeypatch.setattr(each, "_turns", itertools.count(), raising=False)
    return found


def test_each_measures_a_part_and_the_file_is_in_order(two, tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text('{"sample": "3", "by": 7}\n')

    def measure(rank: int) -> list[tuple[str, int]]:
        with SharedLog(path, two[rank], {"3": {"by": 7}}) as log:
            for (name,) in log.left([[name] for name in NAMES]):
                log.add(name, {"by": rank})
            log.together(NAMES)
            return [(name, found["by"]) for name in NAMES if (found := log.get(name))]

    with ThreadPoolExecutor(2) as pool:
        ours, theirs = pool.map(measure, range(2))
    assert ours == theirs == [("0", 0), ("1", 1), ("2", 0), ("3", 7), ("4", 1)]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(each["sample"], each["by"]) for each in lines] == ours
    assert [each.name for each in tmp_path.iterdir()] == ["samples.jsonl"]


def test_batches_stay_whole(two) -> None:
    log = SharedLog(None, two[1], {"0": {}, "1": {}, "2": {}})
    assert log.left([["0", "1"], ["2", "3"], ["4", "5"], ["6"]]) == [["4", "5"]]


def test_what_killed_processes_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    (tmp_path / "samples-1.jsonl").write_text('{"sample": "1", "loss": "inf"}\n{"sample": "5", "lo')
    (tmp_path / "samples-x.jsonl").write_text("mine")
    with SampleLog(path) as log:
        take_over(log, path)
    assert SampleLog(path).get("1") == {"loss": float("inf")}
    assert not (tmp_path / "samples-1.jsonl").exists()
    assert (tmp_path / "samples-x.jsonl").exists()


def test_nobody_waits_for_a_process_that_has_ended(two, monkeypatch) -> None:
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert first_to_end()
    with pytest.raises(ProcessEndedError, match="another process of this command has ended"):
        two[0].gather(1)
    assert not first_to_end()


def test_long_values_are_told_in_pieces(two, monkeypatch) -> None:
    monkeypatch.setattr(processes, "_PIECE", 3)
    value = {"a": [float("inf"), 0.1 + 0.2, "×"]}
    two[0].told(value)
    assert two[1].told(None) == value


def test_other_commands_run_on_one_process(monkeypatch, tmp_path: Path) -> None:
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(FormatError, match="on one process"), open_run(tmp_path / "run", None):
        pass
