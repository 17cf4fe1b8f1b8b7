"""Attention with quantised operands, by hooks on any model's attention function."""
