"""The end of `plena demo`: a layer of the real model computed by the RTL, equal in every bit."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from plena_cosim.sim.verilate.model import SHORT

from .run import Job, run_cosim
from .selection import Selection


def show_layer(*, out: Path, recipe: Path, console: Console, tokens: int = 4) -> bool:
    """Run the matrix products and sums of the demo model's first layer in RTL.

    Blocks are built the quick way: there is little for them to do. Everything is compared anew.

    Args:
        out: folder of the report.
        recipe: what quantises the model.
        console: where the table goes.
        tokens: that the layer reads.

    Returns:
        Whether every code and every logit was equal to exact torch's.
    """
    job = Job(
        model="demo",
        quant_config=recipe,
        selection=Selection.of("matmul,residual"),
        tokens=tokens,
        max_layers=1,
        fresh=True,
        profile=SHORT,
    )
    return bool(run_cosim(job, out=out, console=console)["equal"])
