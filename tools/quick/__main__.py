"""`python -m tools.quick`: see `make quick`."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.durations import QUICK_RUN, file_seconds, known_seconds, read_run, remember

from .choose import Choice, Item, choose
from .deadline import REASON
from .rules import REGRESSION

ROOT = Path(__file__).resolve().parents[2]
RESERVED_SECONDS = 25.0
"""Of the budget: start of pytest and torch before the tests, mypy and import-linter after them."""
ALONE_SECONDS = 20.0
"""So little is quicker in one process than in several, which import torch once each."""
LISTED = 12
PYTEST = (sys.executable, "-m", "pytest", "-q", f"--junitxml={QUICK_RUN}")


def changed_files(root: Path, base: str | None = None) -> list[str]:
    """Return the files that differ from HEAD, or from where the branch left `base`; new ones too.

    Raises:
        SystemExit: git does not know `base`.
    """
    since = "HEAD"
    if base is not None:
        since = _git(root, "merge-base", base, "HEAD", say=f"quick: git knows no {base!r}").strip()
    differ = _git(root, "diff", "--name-only", "--no-renames", "-z", since)
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    return sorted({path for path in (differ + new).split("\0") if path})


def main(arguments: list[str] | None = None) -> int:
    """Choose and run; the exit status is 0 when all that ran is green."""
    parser = argparse.ArgumentParser(prog="make quick", description="Run what a change touches.")
    parser.add_argument("--base", help="compare with this branch or commit instead of HEAD")
    parser.add_argument("--budget", type=float, default=120.0, help="seconds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--list", action="store_true", help="only say what would run")
    given = parser.parse_args(arguments)
    begun = time.time()
    changed = changed_files(ROOT, given.base)
    if not changed:
        since = given.base or "HEAD (BASE=main compares with a branch)"
        print(f"quick: nothing has changed since {since}")
        return 0
    choice = choose(
        ROOT,
        changed,
        seconds=known_seconds(),
        budget=(given.budget - RESERVED_SECONDS) / slowdown(given.jobs),
        jobs=given.jobs,
    )
    print("\n".join(said(choice, changed)), flush=True)
    if given.list:
        return 0
    deadline = begun + given.budget - RESERVED_SECONDS
    own = [item for item in choice.items if item.tier == 0]
    others = [item for item in choice.items if item.tier > 0]
    commands = {
        "lint": lint_command(changed),
        # Apart, so that they run whatever it costs to collect the others.
        "own tests": test_command(own, jobs=given.jobs, deadline=deadline),
        "other tests": test_command(others, jobs=given.jobs, deadline=deadline),
        "types": type_command(changed),
        "layers": layer_command(changed),
    }
    if choice.unknown:
        commands |= {"own tests": every_test_command(jobs=given.jobs), "other tests": None}
    red = [name for name, command in commands.items() if command and not _green(command)]
    took = time.time() - begun
    print(f"quick: {'red: ' + ', '.join(red) if red else 'green'} after {took:.0f} s")
    return 1 if red else 0


def slowdown(jobs: int) -> float:
    """Return how much longer `jobs` processes take because others use the processors, too."""
    return max(1.0, (os.getloadavg()[0] + jobs) / (os.cpu_count() or 1))


def said(choice: Choice, changed: list[str]) -> list[str]:
    """Return what is printed before anything runs."""
    what = changed[0] if len(changed) == 1 else f"{len(changed)} changed files"
    if choice.unknown:
        return [
            f"quick: no rule knows what depends on {', '.join(choice.unknown)}: all tests run "
            "(without regression, proofs and gate counts, which make test runs, too)"
        ]
    files = {item.target for item in choice.items if "::" not in item.target}
    missed = {item.target for item in choice.left_out if "::" not in item.target}
    lines = [
        f"quick: {len(files)} of {len(files | missed)} test files that depend on {what}, nearest "
        "first; make test runs them all"
    ]
    ran, rest = _simulated(choice.items), _simulated(choice.left_out)
    if ran or rest:
        lines.append(
            f"quick: {sum(ran.values())} simulations of {len(ran)} of {len(ran | rest)} blocks: "
            f"{', '.join(ran) or 'none fits the budget'}; make sim runs all of them, and mutants"
        )
    shown = [item for item in choice.items if "::" not in item.target]
    lines += [f"  {item.seconds:6.1f} s  {item.target}  ({item.why})" for item in shown[:LISTED]]
    if len(shown) > LISTED:
        lines.append(f"  … and {len(shown) - LISTED} more")
    return lines


def lint_command(changed: list[str]) -> list[str] | None:
    """Return ruff on the changed Python files that are there."""
    files = [path for path in changed if path.endswith(".py") and (ROOT / path).is_file()]
    if not files:
        return None
    ruff = "ruff check --force-exclude {0} && ruff format --check --force-exclude {0}"
    return ["sh", "-c", ruff.format(shlex.join(files))]


def test_command(items: Sequence[Item], *, jobs: int, deadline: float) -> list[str] | None:
    """Return pytest on some of what was chosen; no test begins after the deadline."""
    if not items:
        return None
    command = [*PYTEST, "-p", "tools.quick.deadline", f"--quick-deadline={deadline}"]
    if jobs > 1 and sum(item.seconds for item in items) > ALONE_SECONDS:
        command += ["-n", str(jobs)]
    return [*command, *(item.target for item in items)]


def every_test_command(*, jobs: int) -> list[str]:
    """Return pytest on everything but the regression."""
    return [*PYTEST, "-n", str(jobs), "--ignore", REGRESSION]


def type_command(changed: list[str]) -> list[str] | None:
    """Return mypy, where Python of the package or of the tools has changed."""
    return ["mypy"] if _checked(changed, "src/", "golden/", "sim/", "tools/") else None


def layer_command(changed: list[str]) -> list[str] | None:
    """Return import-linter, where Python of the package has changed."""
    wanted = _checked(changed, "src/", "golden/", "sim/")
    return ["lint-imports", "--no-cache"] if wanted else None


def _checked(changed: list[str], *folders: str) -> bool:
    return any(
        path == "pyproject.toml" or (path.endswith(".py") and path.startswith(folders))
        for path in changed
    )


def _green(command: Sequence[str]) -> bool:
    pytest = "pytest" in command
    if pytest:
        QUICK_RUN.unlink(missing_ok=True)
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if pytest and QUICK_RUN.is_file():
        if REASON in QUICK_RUN.read_text(encoding="utf-8"):
            print(f"quick: tests were skipped: {REASON}; BUDGET=300 gives more time", flush=True)
        run = [test for test in read_run(QUICK_RUN) if not test.file.startswith(REGRESSION)]
        remember(file_seconds(run))
    return status == 0


def _simulated(items: Iterable[Item]) -> dict[str, int]:
    """Return how many simulations of each block there are."""
    return Counter(item.block for item in items if item.block)


def _git(root: Path, *arguments: str, say: str = "") -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(say or f"quick: git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
