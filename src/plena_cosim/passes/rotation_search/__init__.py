"""The greedy search for online rotations: which matmuls a Hadamard matrix helps."""

from .found import Found, Round, Step
from .search import search_rotations

__all__ = ["Found", "Round", "Step", "search_rotations"]
