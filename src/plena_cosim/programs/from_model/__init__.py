"""Programs of a real model under a recipe, equal to hardware-exact torch."""

from .check import Compared, compare
from .model_programs import ModelPrograms, Step
from .parts import ModelParts, parts_of

__all__ = ["Compared", "ModelParts", "ModelPrograms", "Step", "compare", "parts_of"]
