"""lm-eval, EleutherAI's evaluation harness: quantised models in it, and its perplexity."""
