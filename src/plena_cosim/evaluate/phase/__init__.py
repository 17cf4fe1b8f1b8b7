"""Prefill and decode apart: activations of their own, scored by decoding through the cache."""
