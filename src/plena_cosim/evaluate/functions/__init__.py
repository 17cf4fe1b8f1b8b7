"""Calls of functions that a model is asked for: BFCL's questions, answered and judged."""
