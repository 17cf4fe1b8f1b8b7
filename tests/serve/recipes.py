"""Recipes for the tiny model that the tests of serve share, as text."""

from __future__ import annotations

WHOLE = r"""
[defaults]
name = "mxint"
weight_block_size = 16

['model\.layers\.\d+\..*_proj|lm_head']
weight_width = 4
data_in_block_size = 16
data_in_width = 8

['model\.layers\.\d+\.self_attn']

    ['model\.layers\.\d+\.self_attn'.qk_matmul]
    data_in_block_size = 8
    data_in_width = 8

    ['model\.layers\.\d+\.self_attn'.av_matmul]
    data_in_block_size = 8
    data_in_width = 8

    ['model\.layers\.\d+\.self_attn'.kv_cache]
    data_in_block_size = 8
    data_in_width = 4

['model\.layers\.\d+\.mlp']
name = "minifloat"
data_in_exponent_width = 5
data_in_frac_width = 6

[phase]
kv_handover = "requantize"

    [phase.decode.'model\.layers\.\d+\..*_proj']
    weight_width = 3
    data_in_block_size = 16
    data_in_width = 8
"""
"""All that multiplies, another one in each phase."""

LINEAR = r"""
['model\.layers\.\d+\..*_proj']
name = "mxint"
weight_block_size = 16
weight_width = 4
data_in_block_size = 16
data_in_width = 4
"""
"""The linear layers of all layers, W4A4."""

STOCHASTIC = LINEAR + '\n[numerics]\nrounding = "stochastic"\n'
