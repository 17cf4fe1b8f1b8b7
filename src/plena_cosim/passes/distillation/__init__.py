"""Distillation: weights learn to live with quantised operands (docs/distillation.md)."""

from .distill import Distilled, distill, require_distillable

__all__ = ["Distilled", "distill", "require_distillable"]
