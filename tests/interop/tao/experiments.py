"""Experiment files: the two that TAO's document prints, and how to change them."""

from __future__ import annotations

import copy
from typing import Any

import yaml

WEIGHT_ONLY = """\
quantize:
  backend: "torchao"
  mode: "weight_only_ptq"
  default_layer_dtype: "int8"
  default_activation_dtype: "native"
  layers:
    - module_name: "Linear"
      weights: { dtype: "int8" }
  skip_names: ["classifier.fc"]
"""

STATIC = """\
quantize:
  backend: "modelopt"
  mode: "static_ptq"
  algorithm: "minmax"
  default_layer_dtype: "int8"
  default_activation_dtype: "int8"
  layers:
    - module_name: "Conv2d"
      weights: { dtype: "int8" }
      activations: { dtype: "int8" }
    - module_name: "Linear"
      weights: { dtype: "int8" }
      activations: { dtype: "int8" }
"""


def section(example: str = WEIGHT_ONLY, **changes: Any) -> dict[str, Any]:
    """Return the section of an example with other values; None takes a key away."""
    found = copy.deepcopy(yaml.safe_load(example)["quantize"])
    return {key: value for key, value in {**found, **changes}.items() if value is not None}


def layer(name: str, weights: str | None = None, activations: str | None = None) -> dict[str, Any]:
    """Return one of `layers`."""
    given = {"weights": weights, "activations": activations}
    dtypes = {key: {"dtype": dtype} for key, dtype in given.items() if dtype is not None}
    return {"module_name": name, **dtypes}
