"""Programs for PLENA's instruction set, written by functions, each held to golden's operations."""

from .builder import Builder
from .catalogue import PROGRAMS, Built, Checked, build, check
from .image import Image, Tensor

__all__ = ["PROGRAMS", "Builder", "Built", "Checked", "Image", "Tensor", "build", "check"]
