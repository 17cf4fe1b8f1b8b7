"""Weights as codes and scales: elements, packing, records."""
