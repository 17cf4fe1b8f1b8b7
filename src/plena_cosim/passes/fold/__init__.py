"""Changes of a float model that keep its function and disappear in its weights."""

from .rotations import fold_rotations

__all__ = ["fold_rotations"]
