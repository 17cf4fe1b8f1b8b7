"""Calibration: weights fitted to what a layer sees (GPTQ for MX blocks), layer by layer."""

from ..weights.weight_record import WeightRecord
from .layer_by_layer import Calibration, calibrate, require_calibratable

__all__ = ["Calibration", "WeightRecord", "calibrate", "require_calibratable"]
