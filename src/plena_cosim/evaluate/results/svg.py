"""svg_of: a figure as text that goes into a report."""

from __future__ import annotations

import io
from typing import Any

from plena_cosim.sources.errors import need


def svg_of(figure: Any) -> str:
    """Return a figure as one <svg> element, and close it.

    Its words stay words: they can be searched, and scale with the picture.

    Args:
        figure: of `new_figure`.
    """
    matplotlib = need("matplotlib")
    text = io.StringIO()
    look = {"svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"]}
    with matplotlib.rc_context(look):
        figure.savefig(text, format="svg", metadata={"Date": None})
    need("matplotlib.pyplot").close(figure)
    whole = text.getvalue()
    return whole[whole.index("<svg") :].strip()
