"""Proofs: RTL as SMT, the properties, and the faults that each has to find."""
