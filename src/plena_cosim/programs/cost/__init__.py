"""What a model costs on a machine, in cycles, by models of cost that say what they leave out."""

from .analytic import Analytic, analytic
from .emulator import Emulated, emulator
from .model_shape import ModelShape, model_shape, models
from .of_programs import OfPrograms, of_programs
from .roofline import Roofline, roofline

__all__ = [
    "Analytic",
    "Emulated",
    "ModelShape",
    "OfPrograms",
    "Roofline",
    "analytic",
    "emulator",
    "model_shape",
    "models",
    "of_programs",
    "roofline",
]
