"""Chains of Mermaid become lists; what is no chain is refused."""

from __future__ import annotations

import pytest
from tools.site.chain import draw, read

SHELL = """flowchart LR
  source(["in_i"]) --> core["core: exact,<br>one rounding"] --> register["plena_stream_reg"]
  register --> sink(["out_o"])
  sink -. out_ready_i .-> register -. in_ready_o .-> source
"""


def test_lines_that_meet_are_one_chain_and_dotted_arrows_another() -> None:
    boxes, (forth, back) = read(SHELL)
    assert forth.names == ("source", "core", "register", "sink")
    assert (back.names, back.labels) == (
        ("sink", "register", "source"),
        ("", "out_ready_i", "in_ready_o"),
    )
    assert [name for name, box in boxes.items() if box.is_end] == ["source", "sink"]


def test_text_is_escaped_and_broken_by_the_browser() -> None:
    html = draw(
        'flowchart LR\n  a["x < y,<br>a &lt; 0"]\n  b(["p_i<br>q_i"])\n  a --> b', "", "chain"
    )
    assert "<span>x &lt; y, a &lt; 0</span>" in html
    assert "<span>p_i<br>q_i</span>" in html


@pytest.mark.parametrize("source", ["graph TD\n  a --> b", "flowchart LR\n  a --> b & c"])
def test_what_is_no_chain_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"flowchart LR|not a chain"):
        draw(source, "mermaid", "chain")
