"""One family's crash is its own row."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection

import pytest

from plena_cosim.evaluate.families import run
from plena_cosim.evaluate.families.run import run_families
from plena_cosim.sources import TextSourceError


def test_families_come_back_in_order_with_what_ran() -> None:
    told: list[tuple[str, int, int]] = []
    record = run_families(["mamba", "llama"], jobs=2, progress=lambda *given: told.append(given))
    assert [result["family"] for result in record["families"]] == ["mamba", "llama"]
    assert record["families"][1]["quantized"] == 29
    assert told == [("families: mamba", 1, 2), ("families: llama", 2, 2)]
    assert record["run"]["versions"]["transformers"]


def test_an_unknown_family_is_one_error() -> None:
    with pytest.raises(TextSourceError, match=r"no family 'lama' among .*Did you mean 'llama'\?"):
        run_families(["lama"])


def dies(writer: Connection, family: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leaves(writer: Connection, family: str) -> None:
    os._exit(3)


def sleeps(writer: Connection, family: str) -> None:
    time.sleep(60)


@pytest.mark.parametrize(
    ("work", "fault"),
    [
        (dies, "its process was ended by SIGSEGV"),
        (leaves, "its process ended with status 3"),
        (sleeps, "took longer than 1 s"),
    ],
)
def test_what_ends_a_process_ends_no_run(work, fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_work", work)
    monkeypatch.setattr(run, "PATIENCE_S", 1 if work is sleeps else 60)
    record = run_families(["llama", "gpt2"])
    assert [result["fault"] for result in record["families"]] == [fault, fault]
