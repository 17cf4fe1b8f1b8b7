"""What a model costs on a machine, in cycles, by models of cost that say what they leave out."""

from .analytic import Analytic, analytic
from .emulator import Emulated, emulator
from .model_shape import ModelShape, model_shape, models
from .roofline import Roofline, roofline

__all__ = [
    "Analytic",
    "Emulated",
    "ModelShape",
    "Roofline",
    "analytic",
    "emulator",
    "model_shape",
    "models",
    "roofline",
]
