"""Measuring models: perplexity, the demo model and text, records of what was run."""

from plena_cosim import fakequant as _fakequant  # noqa: F401  (first: says so when torch is missing)

from .demo import run_demo
from .errors import EvaluationError
from .eval_ppl import run_eval_ppl
from .load import load_model, load_text
from .perplexity import Perplexity, evaluate_perplexity

__all__ = [
    "EvaluationError",
    "Perplexity",
    "evaluate_perplexity",
    "load_model",
    "load_text",
    "run_demo",
    "run_eval_ppl",
]
