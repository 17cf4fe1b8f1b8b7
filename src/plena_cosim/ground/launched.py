"""launched: whether a launcher such as accelerate's started this process, and as which of several.

Launchers say so in environment variables, the same ones for torchrun and accelerate.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Launched:
    """One of the processes that were started for one command.

    Attributes:
        rank: its number among all, from 0.
        count: how many there are.
        local_rank: its number among those of this machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def main(self) -> bool:
        """Whether it is the one that prints and writes results."""
        return self.rank == 0


def launched(environment: Mapping[str, str] = os.environ) -> Launched:
    """Return which process this is; the only one, where no launcher has said anything.

    Args:
        environment: RANK, WORLD_SIZE and LOCAL_RANK count.

    >>> launched({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"})
    Launched(rank=1, count=2, local_rank=1)
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if not all(environment.get(name, "").isdigit() for name in names):
        return Launched()
    rank, count, local_rank = (int(environment[name]) for name in names)
    return Launched(rank=rank, count=max(count, 1), local_rank=local_rank)
