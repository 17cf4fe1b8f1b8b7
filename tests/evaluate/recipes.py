"""A recipe that the tests of evaluate share, as text."""

from __future__ import annotations

LINEAR = """
["model\\\\.layers\\\\..*_proj"]
name = "mxint"
weight_block_size = 16
weight_width = 4
data_in_block_size = 16
data_in_width = 8
"""
"""The linear layers of all layers, W4A8."""
