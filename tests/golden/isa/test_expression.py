"""Numbers of assembly."""

from __future__ import annotations

import pytest

from plena_cosim.golden.isa.expression import ExpressionError, evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        (" 0x1F ", 31),
        ("0b101", 5),
        ("1_000", 1000),
        ("N + 2 * 3", 13),
        ("(N + 2) * 3", 27),
        ("-N + 8", 1),
        ("(N + 1) / 2", 4),
        ("N % 4", 3),
        ("1 << N", 128),
        ("~0 & 0xFF", 255),
        ("N | 8 ^ 1", 15),
        ("+N - -1", 8),
    ],
)
def test_values(text: str, value: int) -> None:
    assert evaluate(text, {"N": 7}) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no number"),
        ("1 +", "is no number or expression"),
        ("1.5", "is no whole number"),
        ("True", "is no whole number"),
        ("7 / 2", "7 / 2 is no whole number"),
        ("7 // 2", "is no whole number"),
        ("2 ** 9", "is no whole number"),
        ("f(1)", "is no whole number"),
        ("'a'", "is no whole number"),
        ("M", "no name 'M'"),
        ("NUN", "no name 'NUN'. Did you mean 'NUM'"),
        ("1 / 0", "division by 0"),
        ("1 % 0", "division by 0"),
        ("1 << -1", "cannot shift by -1"),
        ("1 << 1_000_000_000", "cannot shift by 1000000000"),
        ("9" * 60, "is too large"),
        ("9" * 6000, "is no number or expression"),
        ("(" * 500 + "1" + ")" * 500, "is no number or expression"),
        ("007", "is no number"),
        ("1\0", "is no number"),
    ],
)
def test_what_has_no_value(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message.replace("(", r"\(").replace("*", r"\*")):
        evaluate(text, {"N": 7, "NUM": 1})
