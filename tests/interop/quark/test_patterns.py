"""Two patterns meet where a name of a small alphabet matches both."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import product

import pytest

from plena_cosim.interop.quark.patterns import has_wildcards, meet

NAMES = ["".join(letters) for size in range(5) for letters in product("ab", repeat=size)]
PATTERNS = ["".join(marks) for size in range(4) for marks in product("ab*?", repeat=size)]
MATCHES = {pattern: {name for name in NAMES if fnmatchcase(name, pattern)} for pattern in PATTERNS}


@pytest.mark.parametrize("first", PATTERNS)
def test_patterns_of_three_marks(first: str) -> None:
    """Two patterns of three marks that meet have a name of at most four letters in common."""
    for second in PATTERNS:
        assert meet(first, second) is bool(MATCHES[first] & MATCHES[second]), (first, second)


@pytest.mark.parametrize(
    ("first", "second", "do"),
    [
        ("*k_proj", "*self_attn*", True),
        ("*k_proj", "*v_proj", False),
        ("*.mlp.*", "lm_head", False),
        ("*[kv]_proj", "*k_proj", True),
        ("*[kv]_proj", "*o_proj", True),
        ("a[b]", "*c*", True),
        ("model.*.k_proj", "model.layers.0.*", True),
    ],
)
def test_names_of_models(first: str, second: str, do: bool) -> None:
    assert meet(first, second) is meet(second, first) is do


def test_wildcards() -> None:
    assert [has_wildcards(each) for each in ("a.b", "*", "a?", "[ab]")] == [False, True, True, True]
