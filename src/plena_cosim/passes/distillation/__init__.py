"""Distillation: weights learn to live with quantised operands (docs/distillation.md)."""

from .distill import Distilled, distill

__all__ = ["Distilled", "distill"]
