"""The work behind `plena eval lm`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from plena_cosim.golden import FormatError
from plena_cosim.sources.errors import need

_MODEL = ("--model", "-M")


def run_eval_lm(arguments: Sequence[str]) -> None:
    """Run lm-eval's own command line with the model type "plena".

    lm-eval 0.4.13 knows the model types that come with it, and no others; a release that asks for
    entry points of the group `lm_eval.models` finds ours without this command.

    Args:
        arguments: of `lm_eval run`; `--model plena` need not be among them.

    Raises:
        FormatError: another model type is asked for.
        TextSourceError: lm-eval is not installed.
    """
    given = list(arguments)
    for place, argument in enumerate(given):
        name, equals, value = argument.partition("=")
        if name in _MODEL:
            kind = value if equals else "".join(given[place + 1 : place + 2])
            if kind != "plena":
                raise FormatError(
                    f"plena eval lm evaluates --model plena, got {kind!r}; use lm_eval for others"
                )
            break
    else:
        given = ["--model", "plena", *given]
    need("lm_eval", extra="eval")
    importlib.import_module(f"{__package__}.model")
    main = need("lm_eval.__main__", extra="eval")
    before = sys.argv
    sys.argv = ["lm_eval", "run", *given]
    try:
        main.cli_evaluate()
    finally:
        sys.argv = before
