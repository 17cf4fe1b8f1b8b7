"""own_configs: a model's configuration as its own, before a pass writes into it."""

from __future__ import annotations

import sys
from copy import deepcopy
from typing import Any

from torch import nn


def own_configs(model: nn.Module) -> None:
    """Copy every configuration object that a model and its parts hold, in place.

    transformers keeps the object that it is given, so that two models may hold one. Parts that
    share one with the model share the copy.

    Args:
        model: any module.
    """
    transformers = sys.modules.get("transformers")
    if transformers is None:
        return
    copies: dict[int, Any] = {}
    for module in model.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, transformers.PreTrainedConfig):
                setattr(module, name, deepcopy(value, copies))
