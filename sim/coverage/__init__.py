"""What a regression has seen: kinds of inputs and results, and lines and bits of RTL."""
