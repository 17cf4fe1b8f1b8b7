"""`plena eval code`: programs that a model writes, run in a sandbox; pass@k."""
