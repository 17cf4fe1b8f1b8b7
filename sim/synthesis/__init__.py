"""Gates, depth and flip-flops of every block."""
