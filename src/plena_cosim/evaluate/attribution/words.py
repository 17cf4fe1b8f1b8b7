"""Figures of an attribution as words and cells of tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .measure import Share

MODES = ("in", "out")
"""A group alone, and all but the group."""


def verdict_words(test: Mapping[str, Any]) -> str:
    """Return in words which recipe has won on text that the mix was not chosen on."""
    error = "" if test["error"] is None else f" ± {test['error']:.4f}"
    figures = (
        f"perplexity {test['mixed_perplexity']:.3f} at {test['mixed_bits']:.3f} bits a weight, "
        f"uniform {test['uniform_perplexity']:.3f} at {test['uniform_bits']:.3f}; "
        f"{test['change']:+.4f}{error} nats a token on {test['tokens']} unseen tokens"
    )
    if test["wins"]:
        return f"the mixed recipe wins: {figures}"
    return (
        f"the mixed recipe does not win (by two standard errors): keep the uniform one; {figures}"
    )


def share_cells(share: Share) -> tuple[str, str, str]:
    """Return cost, standard error and share as texts."""
    return (
        f"{share.cost:+.4f}",
        "-" if share.error is None else f"{share.error:.4f}",
        "-" if share.share is None else f"{share.share:.1%}",
    )
