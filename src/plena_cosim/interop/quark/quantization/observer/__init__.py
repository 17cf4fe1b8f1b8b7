"""How the range of a tensor is found, by name."""
