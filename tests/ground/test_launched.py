"""Which of several processes this is, as launchers say it."""

from __future__ import annotations

import pytest

from plena_cosim.ground.launched import Launched, launched


def test_a_launcher_says_which() -> None:
    found = launched({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"})
    assert found == Launched(rank=3, count=4, local_rank=1)
    assert not found.main


@pytest.mark.parametrize("said", [{}, {"RANK": "1"}, {"RANK": "x", "WORLD_SIZE": "2"}])
def test_without_one_it_is_alone(said: dict[str, str]) -> None:
    assert launched(said) == Launched(rank=0, count=1, local_rank=0)
    assert launched(said).main
