"""The table [ranges] of a recipe: the text that shows static ranges."""

from __future__ import annotations

from .data_table import DataTable


class RangesTable(DataTable):
    """[ranges]: calibration data of inputs and outputs with a static range."""
