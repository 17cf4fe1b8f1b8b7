"""The greedy search for online rotations: which matmuls a Hadamard matrix helps."""

from .result import SearchResult, SearchRound
from .search import require_searchable, search_rotations

__all__ = ["SearchResult", "SearchRound", "require_searchable", "search_rotations"]
