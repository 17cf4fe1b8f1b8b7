"""Ranges of static scales: observers that see calibration data batch by batch."""

from plena_cosim import fakequant as _fakequant  # noqa: F401  (says what to install)

from .make_observer import make_observer
from .observer import Observer
from .position import PositionObserver
from .stage_observer import stage_observer

__all__ = ["Observer", "PositionObserver", "make_observer", "stage_observer"]
