"""What a model costs on a machine, in cycles, by models of cost that say what they leave out."""

from .analytic import Analytic, analytic
from .model_shape import ModelShape, model_shape, models

__all__ = ["Analytic", "ModelShape", "analytic", "model_shape", "models"]
