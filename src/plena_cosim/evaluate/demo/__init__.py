"""The demo's second half: torch against golden, and a real model's perplexity."""
