"""Problem: a beginning of a program, and what tells whether its end is right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

FUNCTION_ENDS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Where the body of a function is over (Chen et al. 2021, "Evaluating Large Language Models Trained
on Code", section 2.2)."""

PROGRAM_ENDS = ("\nclass", "\nassert", '\n"""', "\nprint", "\nif")
"""The same where the function itself is to be written."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem.

    Attributes:
        name: as its source has it, such as "HumanEval/0".
        prompt: what the model goes on with.
        test: what follows the program; it raises where that is wrong.
        plus_test: a harder one; None: there is none.
        ends: texts at the first of which a completion is cut.
        solution: a right completion; empty: none is known.
    """

    name: str
    prompt: str
    test: str
    plus_test: str | None = None
    ends: tuple[str, ...] = FUNCTION_ENDS
    solution: str = ""

    def cut(self, text: str) -> str:
        """Return a completion up to where it is over."""
        places = [place for place in map(text.find, self.ends) if place >= 0]
        return text[: min(places)] if places else text

    def program(self, completion: str, test: str) -> str:
        """Return a whole program.

        Args:
            completion: that a model wrote.
            test: one of the problem's.
        """
        return f"{self.prompt}{completion}\n{test}\n"


def problems_digest(problems: Sequence[Problem]) -> str:
    """Return a sha256 of all that problems say."""
    text = json.dumps([asdict(each) for each in problems])
    return hashlib.sha256(text.encode()).hexdigest()
