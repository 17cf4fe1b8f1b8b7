"""`plena demo`: doctor, a short RTL regression, torch against golden, perplexities, RTL's layer."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from .doctor import as_table, examine

_CHECKOUT = Path(__file__).resolve().parents[3]
_SHORT_REGRESSION = "e6m5"
"""Every block has a case with it, and add and mul try all 16.8 million pairs of its codes."""


def run(*, tokens: int, out: Path, console: Console) -> int:
    """Run the demo and return its exit status: 0 when all was equal, 1 when not, 2 for a machine
    that lacks something.

    Args:
        tokens: of the text to measure perplexity on.
        out: folder for record and picture.
        console: where the tables go.
    """
    from ..cosim.show import show_layer
    from ..evaluate import run_demo
    from ..sim.regression import run as regression

    console.rule("1. what this machine has")
    findings = examine()
    console.print(as_table(findings))
    if any(finding.ok is False for finding in findings):
        return 2
    console.rule("2. gates against golden: a short RTL regression")
    status = regression.run(fmt=_SHORT_REGRESSION)
    if status:
        return status
    console.rule("3. torch against golden, and a real model")
    equal = run_demo(
        out=out, recipes=_CHECKOUT / "configs" / "quant", tokens=tokens, console=console
    )
    if not equal:
        return 1
    console.rule("4. a layer of the model in RTL")
    recipe = _CHECKOUT / "configs" / "quant" / "llama_w4a4_mxint.toml"
    return 0 if show_layer(out=out / "cosim", recipe=recipe, console=console) else 1
