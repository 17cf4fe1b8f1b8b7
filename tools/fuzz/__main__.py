"""`python -m tools.fuzz`: files, requests and saved models with mistakes in them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from plena_cosim.ground.scratch_folder import scratch_folder

from .run import Count, fuzz_files, fuzz_folder
from .saved_model import saved_model
from .targets import MAKERS


def main() -> int:
    """Print a table; 1 where something else than an error of ours came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="of each kind")
    parser.add_argument("--folders", type=int, default=500, help="saved models")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("results/fuzz"), help="what failed")
    given = parser.parse_args()
    console, counts = Console(), list[Count]()
    for make in MAKERS:
        counts.append(fuzz_files(make(), count=given.files, seed=given.seed))
        console.print(f"{counts[-1].name}: done", style="dim")
    with scratch_folder("fuzz") as scratch:
        folder = scratch / "model"
        load, same = saved_model(folder)
        counts.append(fuzz_folder(folder, load, same, count=given.folders, seed=given.seed))
    table = Table("kind", title=f"Mistakes of seed {given.seed}")
    for name in ("read", "refused", "failed"):
        table.add_column(name, justify="right")
    for each in counts:
        table.add_row(each.name, f"{each.read:,}", f"{each.refused:,}", f"{len(each.failed):,}")
    console.print(table)
    for each in counts:
        for number, (content, what) in enumerate(each.failed[:20]):
            given.keep.mkdir(parents=True, exist_ok=True)
            path = given.keep / f"{each.name.replace(' ', '-')}-{number}"
            path.write_bytes(content)
            console.print(f"{path}: {what[:200]}", soft_wrap=True, markup=False)
    return int(any(each.failed for each in counts))


if __name__ == "__main__":
    sys.exit(main())
