"""Our docstrings in the form that mkdocstrings knows: one name an argument, doctests in a fence."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_SHARED = re.compile(r"^( +)(\*{0,2}\w+(?:, \*{0,2}\w+)+):(.*(?:\n\1 .*)*)", re.MULTILINE)
_SECTION = re.compile(r"^(Args|Attributes):\n((?:(?: .*)?\n?)+)", re.MULTILINE)
_DOCTEST = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class PlainDocstrings(Extension):
    """Rewrites docstrings while griffe loads the package."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = rewritten(obj.docstring.value)


def rewritten(text: str) -> str:
    """Return a docstring with `a, b: codes` as two entries and doctests as code.

    >>> print(rewritten("Add.\\n\\nArgs:\\n    a, b: codes.\\n\\n>>> 1 + 1\\n2"))
    Add.
    <BLANKLINE>
    Args:
        a: codes.
        b: codes.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    """
    text = _SECTION.sub(lambda found: _SHARED.sub(_apart, found[0]), text)
    return _DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", text)


def _apart(entry: re.Match[str]) -> str:
    indent, names, says = entry.groups()
    return "\n".join(f"{indent}{name}:{says}" for name in names.split(", "))
