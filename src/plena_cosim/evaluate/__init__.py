"""Measuring models: perplexity, lm-eval, phases, attribution, the demo; runs and reports."""

from plena_cosim import fakequant as _fakequant  # noqa: F401  (first: says so when torch is missing)
from plena_cosim.sources import SourceError, TextSourceError, load_text

from .demo.run import run_demo
from .eval_ppl import run_eval_ppl
from .load import load_model
from .perplexity import Perplexity, evaluate_perplexity

__all__ = [
    "Perplexity",
    "SourceError",
    "TextSourceError",
    "evaluate_perplexity",
    "load_model",
    "load_text",
    "run_demo",
    "run_eval_ppl",
]
