"""Quantised modules, fake and exact."""
