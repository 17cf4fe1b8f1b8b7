"""Programs of a real model under a recipe, equal to hardware-exact torch."""

from .check import Compared, Pass, by_torch, compare
from .model_programs import ModelPrograms, Step
from .parts import ModelParts, parts_of
from .run import Job, Prepared, prepare

__all__ = [
    "Compared",
    "Job",
    "ModelParts",
    "ModelPrograms",
    "Pass",
    "Prepared",
    "Step",
    "by_torch",
    "compare",
    "parts_of",
    "prepare",
]
