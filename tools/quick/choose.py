"""What runs for a set of changed files, nearest first, until the budget is spent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .blocks import first_blocks, simulations, touched_by_golden, touched_by_rtl
from .imports import module_name, read_graph
from .rules import FOLDERS, REGRESSION, mirror, readers

UNKNOWN_SECONDS = 5.0
"""A test file that no run has timed."""
SIMULATION_SECONDS = 5.0
"""A simulation, half of its block's build included: two share one."""
SAMPLED_BLOCKS = 3
"""Blocks that run when the simulator's own Python has changed."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something that can run.

    Attributes:
        target: a test file or a node id of pytest.
        tier: 0 the changed file's own tests, 1 tests of its room and blocks, 2 … farther ones.
        distance: imports, or RTL files, between the target and what has changed.
        seconds: expected.
        why: in a few words.
        block: of a simulation.
    """

    target: str
    tier: int
    distance: int
    seconds: float
    why: str
    block: str | None = None

    @property
    def rank(self) -> tuple[int, int, float, str]:
        """Sort key: what comes first runs first."""
        return self.tier, self.distance, self.seconds, self.target


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What runs and what does not.

    Attributes:
        items: what runs, in order.
        left_out: what depends on the change, too, but does not fit into the budget.
        unknown: changed files that no rule knows; then everything has to run.
    """

    items: tuple[Item, ...]
    left_out: tuple[Item, ...]
    unknown: tuple[str, ...]


def choose(
    root: Path,
    changed: Iterable[str],
    *,
    seconds: Mapping[str, float],
    budget: float,
    jobs: int = 1,
) -> Choice:
    """Return what runs in a budget; the changed files' own tests run in any case.

    Args:
        root: the checkout.
        changed: files relative to it; they may be gone.
        seconds: recorded for test files.
        budget: seconds of each process.
        jobs: processes.
    """
    changed = list(changed)
    unknown = tuple(
        path for path in changed if readers(path) is None and module_name(path, FOLDERS) is None
    )
    items, left_out = [], []
    spent = 0.0
    for item in touched(root, changed, seconds):
        if item.tier == 0 or spent + item.seconds <= budget * jobs:
            items.append(item)
            spent += item.seconds
        else:
            left_out.append(item)
    return Choice(items=tuple(items), left_out=tuple(left_out), unknown=unknown)


def touched(root: Path, changed: Iterable[str], seconds: Mapping[str, float]) -> list[Item]:
    """Return all that depends on the changed files, nearest first; arguments as of `choose`."""
    changed = list(changed)
    modules = {path: name for path in changed if (name := module_name(path, FOLDERS))}
    graph = read_graph(root, FOLDERS, gone=modules.values())
    distances = graph.distances(modules.values())
    nearest: dict[str, Item] = {}
    for item in (
        *_importing_tests(root, modules, distances, seconds),
        *_reading_tests(root, changed, modules, seconds),
        *_simulations(changed, distances),
    ):
        if item.target not in nearest or item.rank < nearest[item.target].rank:
            nearest[item.target] = item
    return sorted(nearest.values(), key=lambda item: item.rank)


def _importing_tests(
    root: Path,
    modules: Mapping[str, str],
    distances: Mapping[str, int],
    seconds: Mapping[str, float],
) -> Iterator[Item]:
    mirrors = {found for path in modules if (found := mirror(path))}
    own = mirrors | modules.keys()
    rooms = {PurePosixPath(path).parent for path in own}
    for path in sorted((root / "tests").rglob("test_*.py")):
        test = path.relative_to(root).as_posix()
        distance = distances.get(module_name(test, FOLDERS) or "")
        if test.startswith(f"{REGRESSION}/"):
            continue
        cost = seconds.get(test, UNKNOWN_SECONDS)
        if test in own:
            why = "changed" if test in modules else "mirror"
            yield Item(target=test, tier=0, distance=0, seconds=cost, why=why)
        elif distance is not None:
            tier = 1 if PurePosixPath(test).parent in rooms else 2
            why = f"{distance} import{'s' * (distance > 1)} away"
            yield Item(target=test, tier=tier, distance=distance, seconds=cost, why=why)


def _reading_tests(
    root: Path, changed: Iterable[str], modules: Mapping[str, str], seconds: Mapping[str, float]
) -> Iterator[Item]:
    for path in changed:
        for test in readers(path) or ():
            if (root / test).is_file():
                yield Item(
                    target=test,
                    # Simulations say more of RTL than what reads its text.
                    tier=2 if path in modules or path.endswith(".sv") else 0,
                    distance=1,
                    seconds=seconds.get(test, UNKNOWN_SECONDS),
                    why=f"reads {path}",
                )


def _simulations(changed: Iterable[str], distances: Mapping[str, int]) -> Iterator[Item]:
    """Yield simulations of blocks whose RTL or definition has changed, and a few of the player."""
    changed = list(changed)
    rtl = [path for path in changed if path.startswith("rtl/") and path.endswith(".sv")]
    for block, distance in (touched_by_rtl(rtl) | touched_by_golden(distances)).items():
        for simulation in simulations(block):
            yield Item(
                target=simulation.target,
                tier=0 if distance + simulation.turn == 0 else 1 + simulation.turn,
                distance=distance,
                seconds=SIMULATION_SECONDS,
                why=f"block {block}",
                block=block,
            )
    if not any(path.startswith(("sim/", f"{REGRESSION}/")) for path in changed):
        return
    for test in ("test_vectors", "test_bench"):
        if (module := f"tests.regression.{test}") not in distances:
            continue
        for block in first_blocks(SAMPLED_BLOCKS):
            first = next(one for one in simulations(block) if f"/{test}.py" in one.target)
            yield Item(
                target=first.target,
                tier=1,
                distance=distances[module],
                seconds=SIMULATION_SECONDS,
                why=f"{distances[module]} imports away",
                block=block,
            )
