"""Changes of a float model that keep its function and disappear in its weights."""

from .rotation_file import read_rotations
from .rotations import fold_rotations
from .scaling import ScalingRecord, fold_scaling

__all__ = ["ScalingRecord", "fold_rotations", "fold_scaling", "read_rotations"]
